"""Checks of rows against what their Worker declares: the columns of ``output_schema.json``, and the
headers that it sets. Runs accept any row; these checks are for the author.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fyke.domain.workers.input_schema import TYPES, json_type
from fyke.model.results import Header

PLATFORM_PREFIX = "__coreclaw_"  # members of rows that are not the Worker's

_TYPE_OF_FORMAT = {"text": "string"}


class RowRule(StrEnum):
    """What a row breaks."""

    TYPE = "type"  # a value has another type than its column
    MISSING = "missing"  # no row has the column
    UNDECLARED = "undeclared"  # the column is not declared


@dataclass(frozen=True, slots=True)
class RowFinding:
    """A broken rule. ``rows`` is the number of rows that break it, ``first`` the number of the
    first one, from 1; both are 0 where no single row does.
    """

    field: str
    rule: RowRule
    message: str
    rows: int = 0
    first: int = 0


def check_rows(columns: Sequence[Header], rows: Iterable[Mapping[str, Any]]) -> list[RowFinding]:
    """Check rows against the columns of an output schema, see ``output_schema.headers``: first the
    declared columns in order, then others. Null fits every type.
    """
    types = {column.key: _TYPE_OF_FORMAT.get(column.format, column.format) for column in columns}
    seen = _ColumnUse(types)
    for number, row in enumerate(rows, 1):
        seen.add(number, row)
    return seen.findings()


def check_headers(headers: Sequence[Header], rows: Iterable[Mapping[str, Any]]) -> list[RowFinding]:
    """Check only that headers and rows have the same keys."""
    return check_rows([Header(header.label, header.key, "") for header in headers], rows)


class _ColumnUse:
    """What was found in rows so far."""

    def __init__(self, types: Mapping[str, str]) -> None:
        self._types = types
        self._rows = 0
        self._counts: Counter[str] = Counter()
        self._firsts: dict[str, int] = {}
        self._wrong: dict[str, Counter[str]] = {}
        self._first_wrong: dict[str, int] = {}

    def add(self, number: int, row: Mapping[str, Any]) -> None:
        self._rows += 1
        for key, value in row.items():
            self._counts[key] += 1
            self._firsts.setdefault(key, number)
            found = json_type(value)
            if key in self._types and found and not _fits(value, found, self._types[key]):
                self._wrong.setdefault(key, Counter())[found] += 1
                self._first_wrong.setdefault(key, number)

    def findings(self) -> list[RowFinding]:
        findings = []
        for key, declared in self._types.items():
            if key in self._wrong:
                findings.append(self._wrong_type(key, declared))
            elif self._rows and not self._counts[key]:
                findings.append(RowFinding(key, RowRule.MISSING, "no row has this column"))
        for key, count in self._counts.items():
            if key not in self._types and not key.startswith(PLATFORM_PREFIX):
                message = f"{_in_rows(count, self._rows)}, but the column is not declared"
                first = self._firsts[key]
                findings.append(RowFinding(key, RowRule.UNDECLARED, message, count, first))
        return findings

    def _wrong_type(self, key: str, declared: str) -> RowFinding:
        wrong, first = self._wrong[key], self._first_wrong[key]
        count = wrong.total()
        found = " or ".join(sorted(wrong))
        place = _in_rows(count, self._rows) + (f", first in row {first}" if self._rows > 1 else "")
        message = f"declared as {declared}, but it is {found} {place}"
        return RowFinding(key, RowRule.TYPE, message, count, first)


def _fits(value: object, found: str, declared: str) -> bool:
    """Whether a value may stand in a column; unknown types take all."""
    if declared not in TYPES or found == declared:
        return True
    if declared == "number":
        return found == "integer"
    return declared == "integer" and isinstance(value, float) and value.is_integer()


def _in_rows(count: int, total: int) -> str:
    return f"in {count} of {total} rows" if total > 1 else "in the only row"
