"""The answers about lists of runs, as the served description tells them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fyke.api.documents import Answer
from fyke.api.own.reasons import ReasonCodeText, ReasonParams

Moment = Annotated[int, Field(description="Unix seconds, 0 = not yet")]


class RunItem(Answer):
    slug: str
    worker_slug: str
    worker: Annotated[str, Field(description="owner/name")]
    version: str
    task_slug: str
    task: Annotated[str, Field(description="its title; empty when it is gone")]
    key_id: str
    origin: Annotated[str, Field(description="api, api_v2, web or schedule")]
    state: Annotated[
        str, Field(description="ready, running, aborting, succeeded, failed or aborted")
    ]
    outcome: Annotated[str, Field(description="why it ended, in one word; empty before")]
    error: Annotated[str, Field(description="`reason_code` as an English sentence")]
    reason_code: ReasonCodeText
    reason_params: ReasonParams
    parameters: Annotated[str, Field(description="the input in one line")]
    results: int
    usage: Annotated[str, Field(description="US dollars")]
    traffic: Annotated[int, Field(description="bytes")]
    duration: Annotated[float, Field(description="seconds")]
    subtasks: int
    created_at: Moment
    started_at: Moment
    finished_at: Moment


RunItems = list[RunItem]


class RunPage(Answer):
    list: RunItems
    count: Annotated[
        int | None, Field(description="how many match; null where that was not counted")
    ]
    count_is_minimum: Annotated[bool, Field(description="there are at least so many")]
    page_size: int
    next_cursor: Annotated[str, Field(description="of older runs; empty at the end")]
    previous_cursor: Annotated[str, Field(description="of newer runs; empty at the beginning")]
    looked_back_to: Annotated[
        int,
        Field(
            description="Unix seconds; not 0 when the search has looked at enough runs for one "
            "request and stopped there: `next_cursor` goes on"
        ),
    ]


class BulkItem(Answer):
    slug: str
    code: Annotated[int, Field(description="0 when it worked, else the code of the error")]
    message: Annotated[str, Field(description="why it did not; empty when it did")]
    run_slug: Annotated[str, Field(description="of a rerun: the new run")]


BulkItems = list[BulkItem]


class BulkDone(Answer):
    list: BulkItems
    done: Annotated[int, Field(description="for how many it worked")]
    more: Annotated[bool, Field(description="further runs match: send the request again")]
