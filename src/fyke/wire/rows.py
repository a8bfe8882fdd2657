"""Rows of a run: queries, pages, and links to files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import UNSET, Meta, Raw, UnsetType, field

from fyke.domain.results.headers import with_id
from fyke.domain.results.query.model import MAX_FIELDS, OPERATORS
from fyke.model.results import ROW_ID
from fyke.wire.common import Count
from fyke.wire.fields import (
    Answer,
    Boolean,
    DocumentedAs,
    FieldError,
    ParsedBy,
    Request,
    Text,
    to_text,
)

if TYPE_CHECKING:
    from fyke.domain.results.service import RowPage


# --- requests ------------------------------------------------------------------------------


def to_filters(value: object) -> tuple[str, ...]:
    parts = value if isinstance(value, list) else [value]
    if len(parts) > MAX_FIELDS:
        raise FieldError(f"may be given at most {MAX_FIELDS} times")
    return tuple([to_text(part) for part in parts])


def to_field_names(value: object) -> tuple[str, ...]:
    return tuple([name for text in to_filters(value) for name in text.split(",")])


Names = Annotated[
    tuple[str, ...],
    ParsedBy(to_field_names, repeated=True),
    DocumentedAs(str),
    Meta(description="only these fields, in this order, separated by commas; `a.b` is inside `a`"),
]
Filters = Annotated[
    tuple[str, ...],
    ParsedBy(to_filters, repeated=True),
    DocumentedAs(list[str]),
    Meta(
        description="only rows that match `field:operator:value`, all of several; operators: "
        + ", ".join(OPERATORS)
    ),
]


class RowQuery(Request):
    """The selection, order and format of rows; by default all rows as they were pushed."""

    fields: Names = ()
    clean: Annotated[Boolean, Meta(description="without empty members and row ids")] = False
    flatten: Annotated[Boolean, Meta(description="nested members as top-level members `a.b`")] = (
        False
    )
    sort: Annotated[Text, Meta(description="a field to sort by; `-field` for descending order")] = (
        ""
    )
    filter: Filters = ()
    failed_rows: Annotated[
        Boolean,
        Meta(description="also the rows of subtasks whose Worker failed, omitted by default"),
    ] = False


Cursor = Annotated[
    Text, Meta(description="`*` for the first page, then `next_cursor` of the last answer")
]
SafeCells = Annotated[
    Boolean, Meta(description="csv: escape cells that a spreadsheet would run as formulas")
]
ByteOrderMark = Annotated[Boolean, Meta(description="csv: start with a byte order mark")]


# --- answers -------------------------------------------------------------------------------

Row = Annotated[
    Raw,
    Meta(
        description=f"any members; `{ROW_ID}` is the id of the row, except with `clean`",
        extra_json_schema={
            "type": "object",
            "additionalProperties": True,
            "properties": {ROW_ID: {"type": "string"}},
        },
    ),
]


class Column(Answer):
    label: str
    key: str
    format: str


class ResultPage(Answer):
    """A page of a run's rows. ``count``: the rows of all pages."""

    count: Count
    headers: list[Column]
    items: list[Row] = field(name="list")
    page_index: int
    page_size: int
    next_cursor: (
        Annotated[str | None, Meta(description="only with `cursor`; null: no more rows")]
        | UnsetType
    ) = UNSET

    @classmethod
    def of(cls, page: RowPage) -> ResultPage:
        """The page; stored rows are sent byte for byte."""
        return cls(
            page.count,
            [Column(header.label, header.key, header.format) for header in page.headers],
            [Raw(row.data if page.bare else with_id(row)) for row in page.rows],
            page.page_index,
            page.page_size,
            page.next_cursor if page.walking else UNSET,
        )


class Download(Answer):
    """A temporary link, which needs no key."""

    download_url: str
    notes: Annotated[list[str], Meta(description="limits of the format that apply")] | UnsetType = (
        UNSET
    )
