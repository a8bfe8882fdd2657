"""The shape of ``data`` where v2 tells of a run; what is as in v1 is described there."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fyke.api.documents import Answer
from fyke.api.v1.answers import ResultPage, Ulid, Usd, Whole

StatusWord = Annotated[
    Literal["ready", "running", "succeeded", "failed", "aborting", "aborted"],
    Field(description="`aborting` becomes `aborted` a while after the Worker has stopped"),
]
Seconds = Annotated[int, Field(ge=0, description="Unix seconds; 0 = not yet")]


class WorkerRun(Answer):
    status: StatusWord
    err_msg: Annotated[str, Field(description="empty when nothing went wrong")]
    slug: Ulid
    run_slug: Ulid
    scraper_slug: Ulid
    scraper_title: str
    version: str
    results: Whole
    usage: Annotated[Usd, Field(description="US dollars")]
    traffic: Annotated[Whole, Field(description="bytes")]
    origin: str
    started_at: Seconds
    finished_at: Seconds
    duration: Annotated[Whole, Field(description="seconds")]


WorkerRunItems = list[WorkerRun]  # named, because a field called list hides the builtin


class WorkerRunPage(Answer):
    count: Whole
    list: WorkerRunItems
    page_index: int
    page_size: int


class WorkerRunResult(Answer):
    """The answer to a start in sync mode."""

    run_slug: Ulid
    run_status: StatusWord
    error_message: str
    result_message: str
    execution_start_timestamp: Seconds
    execution_end_timestamp: Seconds
    running_duration: Annotated[Whole, Field(description="seconds, with preparation")]
    is_finished: bool
    results: ResultPage


class WorkerRunStarted(Answer):
    """With `is_async` false the fields of a finished or still running run are there as well."""

    run_slug: Ulid
    run_status: StatusWord | None = None
    error_message: str | None = None
    result_message: str | None = None
    execution_start_timestamp: Seconds | None = None
    execution_end_timestamp: Seconds | None = None
    running_duration: Whole | None = None
    is_finished: bool | None = None
    results: ResultPage | None = None
