"""The rows of two runs compared by content."""

from __future__ import annotations

from typing import Any

from fyke.domain.results import difference
from fyke.domain.results.difference import compare


def row(**fields: Any) -> dict[str, Any]:
    return fields


def test_order_of_rows_and_fields_and_the_platforms_own_fields_have_no_meaning() -> None:
    left = [row(a=1, b={"x": 1, "y": 2}), row(a=2)]
    right = [row(a=2, __coreclaw_data_id__="id"), row(b={"y": 2, "x": 1}, a=1)]
    found = compare(left, right)
    assert (found.is_empty, found.equal) == (True, 2)


def test_equal_rows_count_as_often_as_both_runs_have_them() -> None:
    found = compare([row(a=1)] * 3, [row(a=1)])
    assert (found.equal, found.only_left, found.only_right) == (1, [row(a=1)] * 2, [])
    assert not found.is_empty


def test_ignored_fields_are_not_compared() -> None:
    found = compare([row(a=1, at="10:00")], [row(a=1, at="11:00")], ["at"])
    assert (found.is_empty, found.equal) == (True, 1)


def test_rows_that_differ_in_some_fields_are_pairs() -> None:
    left = [
        row(id=1, name="a", price=5),
        row(id=2, name="b", price=6),
        row(id=9, name="z", price=0),
    ]
    right = [row(id=2, name="B", price=7), row(id=1, name="a", price=8), row(other=1)]
    found = compare(left, right)
    assert [(pair.left["id"], pair.right["id"], pair.fields) for pair in found.pairs] == [
        (1, 1, ("price",)),
        (2, 2, ("name", "price")),
    ]
    assert found.fields == {"price": 2, "name": 1}
    assert (found.only_left, found.only_right) == ([left[2]], [row(other=1)])


def test_values_of_different_types_differ() -> None:
    found = compare([row(a=True, b=0)], [row(a=1, b=0)])
    assert [pair.fields for pair in found.pairs] == [("a",)]
    found = compare([row(a=None, b=0)], [row(b=0)])
    assert [pair.fields for pair in found.pairs] == [("a",)]


def test_only_some_rows_are_paired(monkeypatch: Any) -> None:
    monkeypatch.setattr(difference, "MAX_PAIRED", 2)
    left = [row(id=number, a=1) for number in range(5)]
    right = [row(id=number, a=2) for number in range(5)]
    found = compare(left, right)
    assert (len(found.pairs), len(found.only_left), len(found.only_right)) == (2, 3, 3)
