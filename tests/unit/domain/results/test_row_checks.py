"""Rows against declared columns."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.domain.results.row_checks import check_headers, check_rows
from fyke.model.results import Header


def columns(**types: str) -> list[Header]:
    return [Header(name, name, declared) for name, declared in types.items()]


def broken(declared: list[Header], *rows: dict[str, Any]) -> list[tuple[str, str, int, int]]:
    findings = check_rows(declared, rows)
    return [(finding.field, finding.rule, finding.rows, finding.first) for finding in findings]


@pytest.mark.parametrize(
    ("format", "value"),
    [
        ("text", "a"),
        ("integer", 2**70),
        ("integer", 2.0),
        ("number", 1),
        ("number", 1.5),
        ("boolean", False),
        ("array", []),
        ("object", {}),
        ("integer", None),
        ("date", "2026-01-01"),
        ("date", 5),
    ],
)
def test_a_value_of_the_declared_type_fits(format: str, value: object) -> None:
    assert broken(columns(a=format), {"a": value}) == []


@pytest.mark.parametrize(
    ("format", "value"),
    [
        ("text", 1),
        ("integer", True),
        ("integer", 1.5),
        ("number", "1"),
        ("number", True),
        ("boolean", 0),
        ("array", {}),
        ("object", "{}"),
    ],
)
def test_a_value_of_another_type_is_found(format: str, value: object) -> None:
    rows = [{"a": None}, {"a": value}, {"a": value}]
    assert broken(columns(a=format), *rows) == [("a", "type", 2, 2)]


def test_a_column_that_no_row_has_and_one_that_is_not_declared_are_found() -> None:
    declared = columns(title="text", price="number", note="text")
    rows = [{"title": "a", "note": None}, {"title": "b", "url": "u", "__coreclaw_data_id__": "x"}]
    assert broken(declared, *rows) == [("price", "missing", 0, 0), ("url", "undeclared", 1, 2)]
    assert broken(declared) == []  # without rows nothing is missing


def test_the_messages_give_types_and_rows() -> None:
    rows: list[dict[str, Any]] = [{"a": 1}, {"a": "x"}, {"a": [], "b": 1}]
    first, second = check_rows(columns(a="integer"), rows)
    assert first.message == (
        "declared as integer, but it is array or string in 2 of 3 rows, first in row 2"
    )
    assert second.message == "in 1 of 3 rows, but the column is not declared"
    [only] = check_rows(columns(a="text"), rows[:1])
    assert only.message == "declared as string, but it is integer in the only row"


def test_headers_are_compared_by_their_keys_only() -> None:
    rows = [{"a": 1, "c": 2}]
    findings = check_headers(columns(a="text", b="text"), rows)
    assert [(finding.field, finding.rule) for finding in findings] == [
        ("b", "missing"),
        ("c", "undeclared"),
    ]
