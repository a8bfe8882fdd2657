"""Filters, against a reference implementation and by example."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.results.query.matching import matcher_of
from fyke.domain.results.query.model import OPERATORS, Filter
from fyke.domain.results.query.picker import Picker
from support import reference_order
from support.examples import examples
from support.row_values import FIELD, ROW, WANTED


def matching(filters: list[Filter], *rows: bytes) -> list[bool]:
    columns = Picker([item.field for item in filters]).columns(b"[%s]" % b",".join(rows))
    return matcher_of(filters)(columns)


def matches_filter(data: bytes, operator: str, value: str = "") -> bool:
    return matching([Filter("n", operator, value)], data)[0]


@examples(100, 400)
@given(st.lists(ROW, min_size=1, max_size=5), FIELD, st.sampled_from(OPERATORS), WANTED)
def test_filters_match_the_same_rows_as_the_reference(
    values: list[dict[str, Any]], field: str, operator: str, wanted: str
) -> None:
    wanted = "true" if operator == "exists" else wanted
    rows = [reference_order.text(value) for value in values]
    found = matching([Filter(field, operator, wanted)], *rows)
    assert found == [reference_order.meets(row, field, operator, wanted) for row in rows]


def test_all_filters_must_match() -> None:
    both = [Filter("n", "ge", "2"), Filter("n", "lt", "4")]
    rows = [b'{"n":%d}' % n for n in range(6)]
    assert matching(both, *rows) == [n in (2, 3) for n in range(6)]


@pytest.mark.parametrize(
    ("value", "met"),
    [("10", [b"10", b'"10"', b"1e1"]), ('"10"', [b'"10"']), ("true", [b"true", b'"true"']),
     ('"true"', [b'"true"']), ("null", [b"null", b'"null"']), ("010", []), ("[1]", [])],
)  # fmt: skip
def test_a_value_is_a_number_text_or_literal_and_in_quotes_only_text(
    value: str, met: list[bytes]
) -> None:
    tokens = [b"10", b"1e1", b'"10"', b"true", b'"true"', b"null", b'"null"', b"[1]", b'{"a":1}']
    found = [token for token in tokens if matches_filter(b'{"n":%s}' % token, "eq", value)]
    assert sorted(found) == sorted(met)


def test_a_single_quotation_mark_is_text() -> None:
    assert matches_filter(b'{"n":"\\"a"}', "eq", '"a')
    assert matches_filter(b'{"n":"say \\"a\\""}', "contains", '"')


@pytest.mark.parametrize(
    ("operator", "met"), [("lt", [1]), ("le", [1, 2]), ("gt", [3]), ("ge", [2, 3])]
)
def test_comparisons_include_or_exclude_the_bound(operator: str, met: list[int]) -> None:
    assert [n for n in (1, 2, 3) if matches_filter(b'{"n":%d}' % n, operator, "2")] == met
    assert not matches_filter(b'{"n":[2]}', operator, "2")
    assert not matches_filter(b'{"n":2}', operator, "two")


def test_a_row_without_the_field_matches_only_ne_and_exists_false() -> None:
    asked = [(operator, "1") for operator in OPERATORS if operator != "exists"]
    asked += [("exists", "true"), ("exists", "false")]
    assert [item for item in asked if matches_filter(b"{}", *item)] == [
        ("ne", "1"),
        ("exists", "false"),
    ]
    assert matches_filter(b'{"n":null}', "exists", "true")


def test_contains_finds_part_of_a_text_or_one_element() -> None:
    assert matches_filter(b'{"n":"abc"}', "contains", "b")
    assert matches_filter(b'{"n":[1,"ab",2.0]}', "contains", "2")
    assert not matches_filter(b'{"n":[1,"ab"]}', "contains", "a")
    assert not matches_filter(b'{"n":12}', "contains", "1")
