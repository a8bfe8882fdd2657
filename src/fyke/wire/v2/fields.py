"""What several operations of v2 take: pages, references, the members of a start.

A member that is missing, of the wrong type or out of range is ``InvalidFields`` (422); whether
its value makes sense is for the operation to decide (400).
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from msgspec import Meta

from fyke.model.results import FormatName
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
    """The number of a page; 0 is the first too."""
    number = to_integer(value)
    if number < 0:
        raise FieldError("must be a page number: 1 or more (0 is page 1 too)")
    return min(max(number, 1), MAX_PAGE_INDEX)


def to_limit(value: object) -> int:
    """Entries on a page; clients of the first version ask for more than the maximum."""
    number = to_integer(value)
    if number < 1:
        raise FieldError(f"must be 1 to {MAX_LIMIT}")
    return min(number, MAX_LIMIT)


def to_status_filter(value: object) -> str:
    """A key of ``STATUS_FILTERS``; a number of v1 is converted."""
    word = str(value).strip().lower()
    if word in STATUS_FILTERS:
        return word
    if word in FILTER_BY_NUMBER:
        return FILTER_BY_NUMBER[word]
    raise FieldError(f"must be one of {', '.join(filter(None, STATUS_FILTERS))}")


def to_seconds(value: object) -> int:
    """A time in Unix seconds."""
    try:
        number = to_integer(value)
    except FieldError:  # also for digits that no time has
        number = -1
    if not 0 <= number <= MAX_SECONDS:
        raise FieldError(f"must be Unix seconds, an integer from 0 to {MAX_SECONDS}")
    return number


def to_wait(value: object) -> int:
    """A number of seconds."""
    number = to_integer(value)
    if not 0 <= number <= MAX_WAIT:
        raise FieldError(f"must be 0 to {MAX_WAIT} seconds")
    return number


def to_format(value: object) -> str:
    """The name of a format in small letters; empty is the default."""
    word = to_text(value).strip().lower() or DEFAULT_FORMAT
    if word not in FORMATS:
        raise FieldError(f"must be one of {', '.join(FORMATS)}")
    return word


def to_column_keys(value: object) -> tuple[str, ...]:
    """Column keys, each once; from text with commas between them, or from several of these."""
    parts = value if isinstance(value, list) else [value]
    keys = [key.strip() for part in parts for key in to_text(part).split(",")]
    return tuple(dict.fromkeys(key for key in keys if key))


def to_event_kinds(value: object) -> tuple[str, ...]:
    """Kinds of events, from text with commas between them."""
    words = [word.strip().lower() for word in to_text(value).split(",")]
    found = tuple(word for word in words if word)
    if not found or not set(found) <= set(EVENT_KINDS):
        raise FieldError(f"must name some of {', '.join(EVENT_KINDS)}, with commas between them")
    return found


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
    """Which part of a list to answer with."""

    offset: Offset = 1
    limit: Limit = DEFAULT_LIMIT


class RunFilterFields(PageRequest):
    worker_id: Annotated[Text, Meta(description="runs of this worker only")] = ""
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
    """What every start takes. The page is the part of the rows that a sync answer carries."""

    is_async: Annotated[
        Boolean, Meta(description="false: the answer waits for the end of the run")
    ] = True
    callback_url: Annotated[
        Text, Meta(description="http or https; gets the run when it has ended, empty = none")
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
    """The form of a file with a run's rows."""

    format: Annotated[
        str,
        ParsedBy(to_format),
        DocumentedAs(FormatName),
        Meta(description="in capitals or small letters"),
    ] = DEFAULT_FORMAT
    filter_keys: Annotated[
        tuple[str, ...],
        ParsedBy(to_column_keys, repeated=True),
        DocumentedAs(str),
        Meta(
            description="column keys with commas between them, or the parameter several times; "
            "unknown ones are ignored"
        ),
    ] = ()
    safe: SafeCells = False
    bom: ByteOrderMark = False


class EventQuery(Request):
    """Which events of a run to send, and from where."""

    kinds: Annotated[
        tuple[str, ...],
        ParsedBy(to_event_kinds),
        DocumentedAs(Annotated[str, Meta(examples=["status,log"])]),
        Meta(
            description="some of `status`, `log` and `rows`, with commas between them; "
            "absent: all of them"
        ),
    ] = ()
    last_event_id: Annotated[
        Text, Meta(description="for clients that cannot send the header `Last-Event-ID`")
    ] = ""
