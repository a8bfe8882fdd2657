"""Filters, sorting and forms of a run's rows, and their syntax.

Every error starts with the name of the parameter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fyke.errors import InvalidFields

OPERATORS = ("eq", "ne", "lt", "le", "gt", "ge", "contains", "exists")

MAX_FIELDS = 200
MAX_FILTERS = 20
MAX_FIELD_CHARS = 256
MAX_VALUE_CHARS = 1000
START = "*"

_FILTER = re.compile(rf"(.+?):({'|'.join(OPERATORS)})(?::(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Sort:
    """Sort by one field; rows without it come last, rows with equal values are by position."""

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on a row; ``value`` is text, see ``matching``."""

    field: str
    operator: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class RowSelection:
    """Which rows, and in which order."""

    sort: Sort | None = None
    filters: tuple[Filter, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether the selection is all rows in the order of the pushes."""
        return self.sort is None and not self.filters


@dataclass(frozen=True, slots=True)
class RowForm:
    """The form in which rows are returned; see ``shape``."""

    fields: tuple[str, ...] = ()
    clean: bool = False
    flatten: bool = False

    @property
    def plain(self) -> bool:
        """Whether rows are returned as they were pushed."""
        return not (self.fields or self.clean or self.flatten)


@dataclass(frozen=True, slots=True)
class Query:
    """A selection of rows and their form. ``failed_rows``: include the rows of subtasks whose
    Worker has failed.
    """

    selection: RowSelection = RowSelection()
    form: RowForm = RowForm()
    failed_rows: bool = False

    @property
    def plain(self) -> bool:
        """Whether the query returns the visible rows as they were pushed."""
        return self.selection.plain and self.form.plain and not self.failed_rows


PLAIN = Query()


def parse_query(
    *,
    fields: Sequence[str] = (),
    clean: bool = False,
    flatten: bool = False,
    sort: str = "",
    filters: Sequence[str] = (),
    failed_rows: bool = False,
) -> Query:
    """Parse the parameters of a request. Raises ``InvalidFields``."""
    names = tuple(dict.fromkeys(name.strip() for name in fields if name.strip()))
    if len(names) > MAX_FIELDS:
        raise InvalidFields(f"must name at most {MAX_FIELDS} fields; name fewer", field="fields")
    for name in names:
        _check_field("fields", name)
    if len(filters) > MAX_FILTERS:
        raise InvalidFields(f"filter may be given at most {MAX_FILTERS} times; give fewer")
    parsed = tuple(parse_filter(text) for text in filters if text.strip())
    selection = RowSelection(parse_sort(sort), parsed)
    return Query(selection, RowForm(names, clean, flatten), failed_rows)


def query_arguments(query: Query) -> dict[str, Any]:
    """The arguments with which ``parse_query`` returns the same query."""
    sort = query.selection.sort
    return {
        "fields": [*query.form.fields],
        "clean": query.form.clean,
        "flatten": query.form.flatten,
        "sort": f"{'-' if sort.descending else ''}{sort.field}" if sort else "",
        "filters": [f"{f.field}:{f.operator}:{f.value}" for f in query.selection.filters],
        "failed_rows": query.failed_rows,
    }


def parse_sort(text: str) -> Sort | None:
    """Parse ``price`` (ascending) or ``-price`` (descending), None for empty text. Raises
    ``InvalidFields``.
    """
    text = text.strip()
    if not text:
        return None
    descending = text.startswith("-")
    field = text[1:] if descending else text
    if not field:
        raise InvalidFields(
            "must name a field, such as price, or -price to begin at the end", field="sort"
        )
    if "," in field:
        raise InvalidFields(
            "must name one field; rows that are equal in it keep their order", field="sort"
        )
    _check_field("sort", field)
    return Sort(field, descending)


def parse_filter(text: str) -> Filter:
    """Parse ``price:lt:10``. The value may contain colons. Raises ``InvalidFields``."""
    match = _FILTER.fullmatch(text)
    if match is None and _FILTER.fullmatch(f"_{text}"):
        _check_field("filter", "")
    if match is None:
        raise InvalidFields(
            f"must be field:operator:value, such as price:lt:10, not {_short(text)}; "
            f"operators are {', '.join(OPERATORS)}",
            field="filter",
        )
    field, operator, value = match.groups()
    _check_field("filter", field)
    if operator == "exists":
        value = (value or "true").strip().lower()
        if value not in ("true", "false"):
            raise InvalidFields(f"filter {_short(text)}: exists takes true or false")
    elif value is None:
        raise InvalidFields(
            f"filter {_short(text)}: {operator} needs a value, as in {field}:{operator}:value"
        )
    if len(value) > MAX_VALUE_CHARS:
        raise InvalidFields(
            f"a value must have at most {MAX_VALUE_CHARS} characters", field="filter"
        )
    return Filter(field, operator, value)


def _check_field(parameter: str, name: str) -> None:
    if len(name) > MAX_FIELD_CHARS:
        raise InvalidFields(
            f"a field must have at most {MAX_FIELD_CHARS} characters", field=parameter
        )
    if "" in name.split("."):
        raise InvalidFields(
            f"{_short(name)} is not a field name; write a name, or names with a dot between "
            "them for a member of an object",
            field=parameter,
        )


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
