"""Filters, search and sorting of a run's rows, and their syntax.

Every error begins with the name of the parameter, so that it is clear which of several is meant.
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
    """One field gives the order; rows without it come last, equal ones by position."""

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on a row, with the value as it was written; see ``matching``."""

    field: str
    operator: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class FieldSelection:
    """Which rows, and in which order."""

    sort: Sort | None = None
    filters: tuple[Filter, ...] = ()

    @property
    def plain(self) -> bool:
        """All rows as they were pushed."""
        return self.sort is None and not self.filters


@dataclass(frozen=True, slots=True)
class RowForm:
    """What becomes of each row; see ``shape``."""

    fields: tuple[str, ...] = ()
    clean: bool = False
    flatten: bool = False

    @property
    def plain(self) -> bool:
        """As it was pushed."""
        return not (self.fields or self.clean or self.flatten)


@dataclass(frozen=True, slots=True)
class Query:
    """Both together. ``failed_rows``: with the rows of subtasks whose Worker failed, which are left
    out otherwise.
    """

    choice: FieldSelection = FieldSelection()
    form: RowForm = RowForm()
    failed_rows: bool = False

    @property
    def plain(self) -> bool:
        """The rows as they were pushed."""
        return self.choice.plain and self.form.plain and not self.failed_rows


PLAIN = Query()


def query_of(
    *,
    fields: Sequence[str] = (),
    clean: bool = False,
    flatten: bool = False,
    sort: str = "",
    filters: Sequence[str] = (),
    failed_rows: bool = False,
) -> Query:
    """Read what a client wrote. Raises ``InvalidFields``."""
    names = tuple(dict.fromkeys(name.strip() for name in fields if name.strip()))
    if len(names) > MAX_FIELDS:
        raise InvalidFields(f"must name at most {MAX_FIELDS} fields; name fewer", field="fields")
    for name in names:
        _check_field("fields", name)
    if len(filters) > MAX_FILTERS:
        raise InvalidFields(f"filter may be given at most {MAX_FILTERS} times; give fewer")
    found = tuple(filter_of(text) for text in filters if text.strip())
    return Query(FieldSelection(sort_of(sort), found), RowForm(names, clean, flatten), failed_rows)


def written(query: Query) -> dict[str, Any]:
    """The arguments from which ``query_of`` makes the same query again."""
    sort = query.choice.sort
    return {
        "fields": [*query.form.fields],
        "clean": query.form.clean,
        "flatten": query.form.flatten,
        "sort": f"{'-' if sort.descending else ''}{sort.field}" if sort else "",
        "filters": [f"{f.field}:{f.operator}:{f.value}" for f in query.choice.filters],
        "failed_rows": query.failed_rows,
    }


def sort_of(text: str) -> Sort | None:
    """``price`` rises, ``-price`` falls. Raises ``InvalidFields``."""
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


def filter_of(text: str) -> Filter:
    """Parse ``price:lt:10``. The value may contain colons. Raises ``InvalidFields``."""
    match = _FILTER.fullmatch(text)
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
            f"{_short(name)} is no field; write a name, or names with a dot between "
            "them for a member of an object",
            field=parameter,
        )


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
