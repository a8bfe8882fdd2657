"""Lists and searches of runs, and one action on many runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, get_args

from msgspec import Meta, field

from fyke.domain.billing.pricing import format_usage
from fyke.model.run import Origin
from fyke.model.run_list_limits import (
    MAX_ERROR_CHARS,
    MAX_LISTED,
    MAX_MATCHED,
    MAX_NAMED,
    BulkAction,
)
from fyke.wire.common import EXAMPLE_ID, Count, UnixSeconds, Usd
from fyke.wire.fields import (
    Answer,
    Boolean,
    PageIndex,
    ParsedBy,
    Request,
    Text,
    ToChoice,
    to_names,
    to_page_size,
    to_text,
)
from fyke.wire.reasons import ReasonCodeText, ReasonParams, code_of, params_of
from fyke.wire.run_members import ORIGIN_NAMES, Bytes, OriginName, OutcomeText, ReasonText
from fyke.wire.units import seconds
from fyke.wire.v2.status import STATUS_BY_STATE, StatusName

if TYPE_CHECKING:
    from fyke.domain.runs.bulk import BulkResult
    from fyke.domain.runs.lists import RunRow

_TIME = (
    "a day (2026-11-24), a day and a time (2026-11-24T09:30), the length of time before now "
    "(24h, 7d) or Unix seconds"
)


# --- requests ------------------------------------------------------------------------------


class RunSearchFields(Request):
    """Filters of runs; absent members do not filter."""

    state: Annotated[
        Text,
        Meta(
            description=f"some of {', '.join(get_args(StatusName))}, or active for all that have "
            "not ended, or empty for those that succeeded without a row",
            examples=["failed"],
        ),
    ] = ""
    outcome: Annotated[
        Text, Meta(description="values of `outcome`, separated by commas", examples=["timeout"])
    ] = ""
    reason: Annotated[
        Text, Meta(description="values of `reason_code`, separated by commas", examples=["timeout"])
    ] = ""
    worker: Annotated[Text, Meta(description="id or owner/name", examples=["owner/reader"])] = ""
    task: Annotated[Text, Meta(description="id of a task", examples=[EXAMPLE_ID])] = ""
    origin: Annotated[
        Text,
        Meta(
            description=f"some of {', '.join(Origin)}; `test`: tests of versions that are not "
            "published",
            examples=["api,web"],
        ),
    ] = ""
    version: Text = ""
    since: Annotated[Text, Meta(description=f"created at or after: {_TIME}")] = field(
        default="", name="from"
    )
    until: Annotated[
        Text, Meta(description=f"created before: {_TIME}; a day is included as a whole")
    ] = ""
    error: Annotated[
        str,
        Meta(
            max_length=MAX_ERROR_CHARS,
            description="part of the error message",
            examples=["timed out"],
        ),
        ParsedBy(to_text),
    ] = ""
    run: Annotated[
        Text, Meta(description="id of a run, or its beginning", examples=[EXAMPLE_ID])
    ] = ""


class RunListQuery(RunSearchFields):
    cursor: Annotated[
        Text,
        Meta(
            description="`next_cursor` or `previous_cursor` of an answer",
            examples=[f"1767225600000-{EXAMPLE_ID}"],
        ),
    ] = ""
    page_index: PageIndex = 1
    page_size: Annotated[
        int,
        Meta(ge=1, le=MAX_LISTED, description="entries on a page"),
        ParsedBy(to_page_size(20, MAX_LISTED)),
    ] = 20


class BulkRequest(RunSearchFields, kw_only=True):
    action: Annotated[BulkAction, ParsedBy(ToChoice(BulkAction))]
    runs: Annotated[
        tuple[str, ...], Meta(max_length=MAX_NAMED, description="ids"), ParsedBy(to_names)
    ] = ()
    all_matching: Annotated[
        Boolean,
        Meta(
            description="instead of `runs`: all that match the other members, "
            f"at most {MAX_MATCHED}"
        ),
    ] = False
    callback_url: Annotated[Text, Meta(description="for the runs that a rerun starts")] = ""


# --- answers -------------------------------------------------------------------------------


class RunItem(Answer):
    slug: str
    worker_slug: str
    worker: Annotated[str, Meta(description="owner/name")]
    version: str
    task_slug: str
    task: Annotated[str, Meta(description="title of the task; empty if deleted")]
    key_id: str
    origin: OriginName
    state: StatusName
    outcome: OutcomeText
    error: ReasonText
    reason_code: ReasonCodeText
    reason_params: ReasonParams
    parameters: Annotated[str, Meta(description="the input in one line")]
    results: Annotated[Count, Meta(description="rows")]
    usage: Usd
    traffic: Bytes
    duration: Annotated[float, Meta(ge=0, description="seconds")]
    subtasks: Count
    created_at: UnixSeconds
    started_at: UnixSeconds
    finished_at: UnixSeconds

    @classmethod
    def of(cls, row: RunRow) -> RunItem:
        line = row.line
        return cls(
            slug=line.id,
            worker_slug=line.worker_id,
            worker=row.worker.path if row.worker else "",
            version=line.version,
            task_slug=line.task_id,
            task=row.task_title,
            key_id=line.key_id,
            origin=ORIGIN_NAMES[line.origin],
            state=STATUS_BY_STATE[line.state],
            outcome=line.outcome.value if line.outcome else "",
            error=line.err_msg,
            reason_code=code_of(line.reason),
            reason_params=params_of(line.reason),
            parameters=row.summary,
            results=row.results,
            usage=format_usage(row.usage_micros),
            traffic=row.traffic_bytes,
            duration=row.duration_ms / 1000,
            subtasks=line.subtasks,
            created_at=seconds(line.created_at),
            started_at=seconds(line.started_at),
            finished_at=seconds(line.finished_at),
        )


class RunItemPage(Answer):
    items: list[RunItem] = field(name="list")
    count: Annotated[
        int | None, Meta(description="the number of matching runs; null if not counted")
    ]
    count_is_minimum: Annotated[bool, Meta(description="whether there may be more than `count`")]
    page_size: int
    next_cursor: Annotated[str, Meta(description="of older runs; empty at the end")]
    previous_cursor: Annotated[str, Meta(description="of newer runs; empty at the beginning")]
    looked_back_to: Annotated[
        int,
        Meta(
            ge=0,
            description="Unix seconds; not 0 if the search stopped there at its limit; "
            "`next_cursor` continues it",
        ),
    ]


class BulkItem(Answer):
    slug: str
    code: Annotated[int, Meta(ge=0, description="0 = success, else the code of the error")]
    message: Annotated[str, Meta(description="the error; empty = success")]
    run_slug: Annotated[str, Meta(description="the new run of a rerun")]

    @classmethod
    def of(cls, result: BulkResult, code: int) -> BulkItem:
        """``code``: the code of the error, 0 without one."""
        message = result.error.message if result.error else ""
        return cls(result.run_id, code, message, result.new_run_id)


class BulkResults(Answer):
    items: list[BulkItem] = field(name="list")
    done: Annotated[Count, Meta(description="the number of successes")]
    more: Annotated[bool, Meta(description="whether more runs match; repeat the request for them")]
