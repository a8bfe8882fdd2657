"""Members of several requests of v2: pages, references, options of a start.

A member that is missing, of the wrong type or out of range raises ``InvalidFields`` (422); the
operation refuses other invalid values (400).
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from msgspec import Meta

from fyke.model.formats import FormatName
from fyke.wire.fields import (
    MAX_PAGE_INDEX,
    Boolean,
    DocumentedAs,
    FieldError,
    Name,
    ParsedBy,
    Request,
    Text,
    to_integer,
    to_text,
)
from fyke.wire.inputs import StartInput
from fyke.wire.rows import ByteOrderMark, Cursor, RowQuery, SafeCells
from fyke.wire.units import MAX_SECONDS
from fyke.wire.v2.status import FILTER_BY_NUMBER, STATUS_FILTERS, StatusName

FORMATS = get_args(FormatName)
DEFAULT_FORMAT = "csv"
MAX_LIMIT = 100
DEFAULT_LIMIT = 20
MAX_WAIT = 60  # seconds
EVENT_KINDS = ("status", "log", "rows")


# --- rules ---------------------------------------------------------------------------------


def to_offset(value: object) -> int:
    """The number of a page; 0 is the first page, like 1."""
    number = to_integer(value)
    if number < 0:
        raise FieldError("must be a page number: 1 or more (0 is page 1 too)")
    return min(max(number, 1), MAX_PAGE_INDEX)


def to_limit(value: object) -> int:
    """Entries on a page, cut to the maximum: clients of v1 send larger numbers."""
    number = to_integer(value)
    if number < 1:
        raise FieldError(f"must be 1 to {MAX_LIMIT}")
    return min(number, MAX_LIMIT)


def to_status_filter(value: object) -> str:
    """A key of ``STATUS_FILTERS``; numbers of v1 are converted."""
    name = str(value).strip().lower()
    if name in STATUS_FILTERS:
        return name
    if name in FILTER_BY_NUMBER:
        return FILTER_BY_NUMBER[name]
    raise FieldError(f"must be one of {', '.join(filter(None, STATUS_FILTERS))}")


def to_seconds(value: object) -> int:
    """A time in Unix seconds."""
    try:
        number = to_integer(value)
    except FieldError:
        number = -1
    if not 0 <= number <= MAX_SECONDS:
        raise FieldError(f"must be Unix seconds, an integer from 0 to {MAX_SECONDS}")
    return number


def to_wait(value: object) -> int:
    """Seconds to wait."""
    number = to_integer(value)
    if not 0 <= number <= MAX_WAIT:
        raise FieldError(f"must be 0 to {MAX_WAIT} seconds")
    return number


def to_format(value: object) -> str:
    """The name of a format in lower case; empty is the default."""
    name = to_text(value).strip().lower() or DEFAULT_FORMAT
    if name not in FORMATS:
        raise FieldError(f"must be one of {', '.join(FORMATS)}")
    return name


def to_column_keys(value: object) -> tuple[str, ...]:
    """Column keys without duplicates, from one or several comma-separated texts."""
    parts = value if isinstance(value, list) else [value]
    keys = [key.strip() for part in parts for key in to_text(part).split(",")]
    return tuple(dict.fromkeys(key for key in keys if key))


def to_event_kinds(value: object) -> tuple[str, ...]:
    """Kinds of events, from a comma-separated text."""
    names = [name.strip().lower() for name in to_text(value).split(",")]
    kinds = tuple(name for name in names if name)
    if not kinds or not set(kinds) <= set(EVENT_KINDS):
        raise FieldError(f"must name some of {', '.join(EVENT_KINDS)}, separated by commas")
    return kinds


# --- types ---------------------------------------------------------------------------------

Offset = Annotated[
    int,
    Meta(ge=0, le=MAX_PAGE_INDEX, description="number of the page; 0 and 1 are the first"),
    ParsedBy(to_offset),
]
Limit = Annotated[
    int,
    Meta(ge=1, le=MAX_LIMIT, description="entries on a page"),
    ParsedBy(to_limit),
]
StatusFilter = Annotated[
    str,
    ParsedBy(to_status_filter),
    DocumentedAs(Literal["", StatusName]),
    Meta(description="empty or absent: all; `aborting` and `aborted` each find both"),
]
Moment = Annotated[int, Meta(ge=0, le=MAX_SECONDS), ParsedBy(to_seconds)]

WorkerId = Annotated[Name, Meta(description="id, `owner~name` or `owner/name` of a worker")]
RunId = Annotated[Name, Meta(description="id of a run")]
TaskId = Annotated[Name, Meta(description="id of a task")]


# --- requests ------------------------------------------------------------------------------


class PageRequest(Request):
    """The page of a list."""

    offset: Offset = 1
    limit: Limit = DEFAULT_LIMIT


class RunFilterFields(PageRequest):
    worker_id: Annotated[Text, Meta(description="only runs of this worker")] = ""
    status: StatusFilter = ""
    start_time: Annotated[
        Moment, Meta(description="Unix seconds; created at this time or later")
    ] = 0
    end_time: Annotated[
        Moment, Meta(description="Unix seconds at 00:00:00 of the last day to list")
    ] = 0


class Wait(Request):
    """How long to wait for the end of a run."""

    wait: Annotated[
        int,
        ParsedBy(to_wait),
        Meta(
            ge=0,
            le=MAX_WAIT,
            description="seconds to wait for the end of the run before answering",
        ),
    ] = 0


class StartOptions(PageRequest):
    """Options of a start. With ``is_async`` false, the answer contains this page of the rows."""

    is_async: Annotated[
        Boolean, Meta(description="false: the answer waits for the end of the run")
    ] = True
    callback_url: Annotated[
        Text, Meta(description="http or https; receives the run when it has ended; empty = none")
    ] = ""


class StartWorker(StartOptions):
    """A start of a worker, at once or through the queue."""

    input: StartInput = {}
    version: Annotated[Text, Meta(description="`latest`, empty or absent: the newest version")] = ""


class ResultQuery(RowQuery):
    """A page of a run's rows."""

    offset: Offset = 1
    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor = ""


class ResultExport(RowQuery):
    """The format of a file with a run's rows."""

    format: Annotated[
        str,
        ParsedBy(to_format),
        DocumentedAs(FormatName),
        Meta(description="case-insensitive"),
    ] = DEFAULT_FORMAT
    filter_keys: Annotated[
        tuple[str, ...],
        ParsedBy(to_column_keys, repeated=True),
        DocumentedAs(str),
        Meta(
            description="column keys separated by commas, or the parameter several times; "
            "unknown ones are ignored"
        ),
    ] = ()
    safe: SafeCells = False
    bom: ByteOrderMark = False


class EventQuery(Request):
    """The kinds of events of a run, and the last one received."""

    kinds: Annotated[
        tuple[str, ...],
        ParsedBy(to_event_kinds),
        DocumentedAs(Annotated[str, Meta(examples=["status,log"])]),
        Meta(description="some of `status`, `log` and `rows`, separated by commas; absent: all"),
    ] = ()
    last_event_id: Annotated[
        Text, Meta(description="for clients that cannot send the header `Last-Event-ID`")
    ] = ""
