"""What the operations of v1 take, with every name that older clients use for it."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field, WithJsonSchema

from fyke.api.decode import (
    TEXT_SCHEMA,
    PageIndex,
    PageSize10,
    PageSize20,
    Wire,
    WireBool,
    WireInt,
    WireName,
    WireText,
    to_integer,
    to_text,
    wrong,
)
from fyke.api.querying import RowCursor, RowQuery
from fyke.api.run_input import RunInput
from fyke.api.v1.vocabulary import STATUS_NAMES
from fyke.errors import InvalidRequest

_PAGE = AliasChoices("page_index", "page", "offset")
_SIZE = AliasChoices("page_size", "limit")


def _status(value: object) -> int:
    if isinstance(value, str):
        word = value.strip().lower()
        if not word:
            return 0
        if word in STATUS_NAMES:
            return STATUS_NAMES[word]
    number = to_integer(value)
    if not 0 <= number <= 5:
        raise wrong("must be 0 (all) to 5")
    return number


def _keys(value: object) -> list[str]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list):
        raise wrong("must be an array of strings, or one string with commas")
    keys = [to_text(part).strip() for part in parts]
    return list(dict.fromkeys(key for key in keys if key))


Status = Annotated[
    int,
    BeforeValidator(_status),
    Field(description="0 = all; also by its name, and empty is all too"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": 5},
                {"type": "string", "enum": sorted(STATUS_NAMES)},
                {"type": "string", "pattern": r"^\s*(\+?0{0,17}[0-5](\.0{1,18})?)?\s*$"},
            ]
        }
    ),
]
Keys = Annotated[
    list[str],
    BeforeValidator(_keys),
    Field(description="an array of column keys, or one string with commas between them"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": TEXT_SCHEMA},
                TEXT_SCHEMA,
            ]
        }
    ),
]


class StoreSearch(Wire):
    search: WireName = Field(validation_alias=AliasChoices("search", "keyword", "query"))
    limit: WireInt = 10


class WorkerRef(Wire):
    slug: WireName = Field(validation_alias=AliasChoices("slug", "scraper_slug"))


class RegionList(Wire):
    language: WireText = ""


class RunRef(Wire):
    run_slug: WireName


class Window(Wire):
    """The part of the rows that a start in sync mode answers with."""

    page_index: PageIndex = Field(1, validation_alias=_PAGE)
    page_size: PageSize10 = Field(10, validation_alias=_SIZE)


class StartRun(Window):
    scraper_slug: WireName
    input: RunInput
    version: Annotated[
        Any,
        Field(description="`latest`, empty or absent: the newest version"),
        WithJsonSchema({"type": "string"}),
    ] = None
    is_async: WireBool = True
    callback_url: WireText = ""


class StartTask(Window):
    task_slug: WireName
    is_async: WireBool = True
    callback_url: WireText = ""


class Rerun(Wire):
    run_slug: WireName
    callback_url: WireText = ""


class RunList(Wire):
    page_index: PageIndex = Field(1, validation_alias=_PAGE)
    page_size: PageSize20 = Field(20, validation_alias=_SIZE)
    status: Status = 0
    scraper_slug: WireText = ""


class ResultList(Window, RowQuery, RowCursor):
    run_slug: WireName


class Export(RowQuery):
    run_slug: WireName
    filter_keys: Keys = []
    format: WireText = "csv"
    safe: WireBool = Field(False, description="csv: guard cells a spreadsheet would calculate")
    bom: WireBool = Field(False, description="csv: begin with a byte order mark")


_URL = re.compile(r"https?://\S+", re.IGNORECASE)


def callback(url: str, *, required: bool) -> str:
    """The callback address without blanks around it, ``""`` for none.

    Its form is checked here, before any entity is looked up; whether it may be reached is the
    domain's to say.
    """
    url = url.strip()
    if not url and required:
        raise InvalidRequest("callback_url is required")
    if url and not _URL.fullmatch(url):
        raise InvalidRequest("callback_url must be an absolute http or https URL")
    return url
