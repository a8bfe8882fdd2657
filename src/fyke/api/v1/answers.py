"""The shape of ``data`` in every answer of v1, for the OpenAPI document and for tests.

The answers themselves are written by ``views``; a test reads every one of them with these models,
which forbid what they do not name.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from fyke.api.documents import Answer

Ulid = Annotated[str, Field(pattern="^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
Usd = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]{1,4})?$")]
Whole = Annotated[int, Field(ge=0)]


class StoreWorker(Answer):
    slug: Ulid
    title: str
    description: str
    path: str
    name: str
    username: str


class Store(Answer):
    scraper: list[StoreWorker]


class SystemParameters(Answer):
    cpus: int | float
    memory: int
    memory_bytes: Annotated[int, Field(description="MB despite its name; same as `memory`")]
    max_total_charge: int | float
    max_total_traffic: int | float
    execute_limit_time_seconds: int


class Parameters(Answer):
    system: SystemParameters
    custom: Annotated[dict[str, Any], Field(description="the Worker's input schema")]


class WorkerDetail(Answer):
    version: str
    readme: str
    parameters: Parameters
    slug: Ulid
    title: str
    username: str
    name: str


class Region(Answer):
    code: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    name: str


RegionItems = list[Region]  # named, because a field called list hides the builtin


class Regions(Answer):
    list: RegionItems


class Column(Answer):
    label: str
    key: str
    format: str


Columns = list[Column]


class ResultRow(Answer):
    """Any keys; ``__coreclaw_data_id__`` is there unless ``clean`` was asked for."""

    model_config = ConfigDict(extra="allow", strict=True)

    row_id: Annotated[str | None, Field(alias="__coreclaw_data_id__")] = None


Rows = list[ResultRow]


class ResultPage(Answer):
    count: Whole
    headers: Columns
    list: Rows
    page_index: int
    page_size: int
    next_cursor: Annotated[
        str | None, Field(description="with `cursor` only; null: there are no more rows")
    ] = None


class Started(Answer):
    run_slug: Ulid


class SyncResult(Answer):
    run_slug: Ulid
    run_status: Literal["running", "completed"]
    status: Annotated[int, Field(ge=1, le=5)]
    error_message: str
    result_message: str
    execution_start_timestamp: Annotated[int, Field(description="ms")]
    execution_end_timestamp: Annotated[int, Field(description="ms, 0 while running")]
    running_duration: Annotated[int, Field(ge=0, description="seconds, with preparation")]
    results: ResultPage


class StartedOrResult(Started):
    """With ``is_async`` false the fields of a finished or still running run are there as well."""

    run_status: str | None = None
    status: int | None = None
    error_message: str | None = None
    result_message: str | None = None
    execution_start_timestamp: int | None = None
    execution_end_timestamp: int | None = None
    running_duration: int | None = None
    results: ResultPage | None = None


class RunDetail(Answer):
    status: Annotated[
        int,
        Field(ge=1, le=5, description="1 ready, 2 running, 3 succeeded, 4 failed, 5 aborted"),
    ]
    err_msg: str
    slug: Ulid
    scraper_title: str
    scraper_slug: Ulid
    results: Whole
    usage: Usd
    started_at: Whole
    finished_at: Whole
    duration: Whole
    origin: str
    traffic: Whole
    version: str


RunItems = list[RunDetail]


class RunPage(Answer):
    count: Whole
    list: RunItems
    page_index: int
    page_size: int


class Download(Answer):
    download_url: str
    notes: Annotated[
        list[str] | None, Field(description="the limits of the format, where they matter")
    ] = None


class LogLine(Answer):
    type: Annotated[int, Field(ge=1, le=4)]
    group: str
    content: str
    timestamp: Whole


LogLines = list[LogLine]


class LogTail(Answer):
    all_logs_url: str
    list: LogLines
    result_count: Whole


class AccountInfo(Answer):
    balance: Usd
    traffic: Whole
    traffic_expiration_at: Whole
