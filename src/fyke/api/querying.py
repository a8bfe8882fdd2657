"""What a client may ask of a run's rows, the same in both versions: for a page and for a file."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from fyke.api.decode import REPEATABLE, Wire, WireBool, WireText, to_text, wrong
from fyke.domain.results.query.model import MAX_FIELDS, OPERATORS, PLAIN, Query, query_of
from fyke.wire import rows

MAX_QUERY_CHARS = 8000  # as long as what has to fit into a link

_STRINGS = {"type": "array", "items": {"type": "string"}}


def _texts(value: object) -> tuple[str, ...]:
    parts = value if isinstance(value, list) else [value]
    if len(parts) > MAX_FIELDS:
        raise wrong(f"may be given at most {MAX_FIELDS} times")
    return tuple([to_text(part) for part in parts])


def _names(value: object) -> tuple[str, ...]:
    return tuple([name for text in _texts(value) for name in text.split(",")])


Names = Annotated[
    tuple[str, ...],
    BeforeValidator(_names),
    REPEATABLE,
    Field(description="only these fields, in this order, with commas between; `a.b` is inside `a`"),
    WithJsonSchema({"type": "string"}),
]
Filters = Annotated[
    tuple[str, ...],
    BeforeValidator(_texts),
    REPEATABLE,
    Field(
        description="only rows that meet `field:operator:value`, each of several; operators: "
        + ", ".join(OPERATORS)
    ),
    WithJsonSchema(_STRINGS),
]


class RowQuery(Wire):
    """Which rows, in which order and in which form. Nothing of it is in use by default."""

    # tuples, because a list as a default would be copied for every page that is asked for
    fields: Names = ()
    clean: WireBool = Field(False, description="without what is empty, and without row ids")
    flatten: WireBool = Field(False, description="members of objects as `a.b` beside the others")
    sort: WireText = Field("", description="a field to sort by; `-field` begins at the end")
    filter: Filters = ()
    failed_rows: WireBool = Field(
        False, description="also the rows of subtasks whose Worker failed, omitted by default"
    )


class RowCursor(Wire):
    """Walking through rows without page numbers."""

    cursor: WireText = Field("", description="`*` to begin, then `next_cursor` of the last answer")


def query_in(wanted: RowQuery | rows.RowQuery) -> Query:
    """The query of a request. Raises ``InvalidFields``."""
    asked = wanted.fields or wanted.clean or wanted.flatten or wanted.sort or wanted.filter
    if not (asked or wanted.failed_rows):
        return PLAIN
    return query_of(
        fields=wanted.fields,
        clean=wanted.clean,
        flatten=wanted.flatten,
        sort=wanted.sort,
        filters=wanted.filter,
        failed_rows=wanted.failed_rows,
    )
