"""What the operations of v2 take: pages, filters, references and bodies that several of them share.

A field that is missing, of the wrong type or out of range is ``InvalidFields`` (422); what it
means is for the operation to judge (400).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from fyke.api.decode import (
    MAX_PAGE_INDEX,
    REPEATABLE,
    TEXT_SCHEMA,
    Wire,
    WireBool,
    WireName,
    WireText,
    also_text,
    to_integer,
    to_text,
    wrong,
)
from fyke.api.querying import RowCursor, RowQuery
from fyke.api.run_input import RunInput
from fyke.api.v2.vocabulary import FILTERS, NUMBER_FILTERS
from fyke.domain.results.export.formats import FORMATS

DEFAULT_FORMAT = "csv"
MAX_LIMIT = 100
WHOLE_TEXT = r"^\s*(\+?[0-9]{1,18}|-0{1,18})(\.0{1,18})?\s*$"
COUNT_TEXT = r"^\s*\+?0{0,8}[1-9][0-9]{0,8}(\.0{1,18})?\s*$"
MAX_SECONDS = 253_402_300_799  # the end of the year 9999


def _offset(value: object) -> int:
    number = to_integer(value)
    if number < 0:
        raise wrong("must be a page number: 1 or more (0 is page 1 too)")
    return min(max(number, 1), MAX_PAGE_INDEX)


def _limit(value: object) -> int:
    number = to_integer(value)
    if number < 1:
        raise wrong(f"must be 1 to {MAX_LIMIT}")
    return min(number, MAX_LIMIT)  # callers of the first version ask for more


def _status(value: object) -> str:
    word = str(value).strip().lower()
    if word in FILTERS:
        return word
    if word in NUMBER_FILTERS:
        return NUMBER_FILTERS[word]
    raise wrong(f"must be one of {', '.join(filter(None, FILTERS))}")


def _moment(value: object) -> int:
    number = to_integer(value)
    if not 0 <= number <= MAX_SECONDS:
        raise wrong(f"must be Unix seconds, 0 to {MAX_SECONDS}")
    return number


def _format(value: object) -> str:
    word = to_text(value).strip().lower() or DEFAULT_FORMAT
    if word not in FORMATS:
        raise wrong(f"must be one of {', '.join(FORMATS)}")
    return word


def _keys(value: object) -> list[str]:
    parts = value if isinstance(value, list) else [value]
    keys = [key.strip() for part in parts for key in to_text(part).split(",")]
    return list(dict.fromkeys(key for key in keys if key))


Offset = Annotated[
    int,
    BeforeValidator(_offset),
    Field(description="number of the page; 0 and 1 are the first"),
    also_text({"type": "integer", "minimum": 0}, WHOLE_TEXT),
]
Limit = Annotated[
    int,
    BeforeValidator(_limit),
    Field(description=f"rows on a page; more than {MAX_LIMIT} count as {MAX_LIMIT}"),
    also_text({"type": "integer", "minimum": 1}, COUNT_TEXT),
]
Status = Annotated[
    str,
    BeforeValidator(_status),
    Field(description="empty or absent: all; `aborting` and `aborted` each find both"),
    WithJsonSchema({"type": "string", "enum": [*FILTERS, *NUMBER_FILTERS]}),
]
Moment = Annotated[
    int,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MAX_SECONDS}),
]
Format = Annotated[
    str,
    BeforeValidator(_format),
    Field(description="in capitals or small letters"),
    WithJsonSchema({"type": "string", "enum": [*FORMATS, ""]}),
]
Keys = Annotated[
    list[str],
    BeforeValidator(_keys),
    REPEATABLE,
    Field(description="column keys with commas between them, or the parameter several times"),
    WithJsonSchema(TEXT_SCHEMA),
]


class Page(Wire):
    """Which part of a list to answer with."""

    offset: Offset = 1
    limit: Limit = 20


class WorkerRef(Wire):
    """A worker in the path: its id, ``owner~name`` or ``owner/name``."""

    worker_id: WireName = Field(validation_alias="workerId")


class RunRef(Wire):
    """A run in the path."""

    run_id: WireName = Field(validation_alias="runId")


class StartBody(Page):
    """What every start may say. The page is the part of the rows that a sync answer carries."""

    is_async: WireBool = True
    callback_url: WireText = ""


class RunBody(StartBody):
    """A start of a worker, at once or through the queue."""

    input: RunInput = {}
    version: Annotated[
        WireText, Field(description="`latest`, empty or absent: the newest version")
    ] = ""


class RowPage(Page, RowQuery, RowCursor):
    """A page of a run's rows."""


class Export(RowQuery):
    """The form of a file with a run's rows."""

    format: Format = DEFAULT_FORMAT
    filter_keys: Keys = []
    safe: WireBool = Field(False, description="csv: guard cells a spreadsheet would calculate")
    bom: WireBool = Field(False, description="csv: begin with a byte order mark")


def page(offset: int, limit: int) -> dict[str, Any]:
    """How every list tells which part of it this is."""
    return {"page_index": offset, "page_size": limit}
