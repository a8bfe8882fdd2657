"""Whether a row meets a filter, against a reference implementation and by example."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.results.query.matching import matcher_of
from fyke.domain.results.query.model import OPERATORS, Filter
from support import reference_order
from support.examples import examples
from support.row_values import FIELD, ROW, WANTED


def meets(data: bytes, operator: str, value: str = "") -> bool:
    return matcher_of([Filter("n", operator, value)])(data)


@examples(100, 400)
@given(ROW, FIELD, st.sampled_from(OPERATORS), WANTED)
def test_filters_match_the_same_rows_as_the_oracle(
    value: dict, field: str, operator: str, wanted: str
) -> None:
    wanted = "true" if operator == "exists" else wanted
    data = reference_order.text(value)
    found = matcher_of([Filter(field, operator, wanted)])(data)
    assert found == reference_order.meets(data, field, operator, wanted)


def test_all_filters_must_be_met() -> None:
    both = matcher_of([Filter("n", "ge", "2"), Filter("n", "lt", "4")])
    assert [n for n in range(6) if both(b'{"n":%d}' % n)] == [2, 3]


@pytest.mark.parametrize(
    ("value", "met"),
    [("10", [b"10", b'"10"', b"1e1"]), ('"10"', [b'"10"']), ("true", [b"true", b'"true"']),
     ('"true"', [b'"true"']), ("null", [b"null", b'"null"']), ("010", []), ("[1]", [])],
)  # fmt: skip
def test_a_value_means_number_text_or_word_and_in_quotes_text_alone(
    value: str, met: list[bytes]
) -> None:
    tokens = [b"10", b"1e1", b'"10"', b"true", b'"true"', b"null", b'"null"', b"[1]", b'{"a":1}']
    found = [token for token in tokens if meets(b'{"n":%s}' % token, "eq", value)]
    assert sorted(found) == sorted(met)


def test_a_single_quotation_mark_is_a_text_like_any_other() -> None:
    assert meets(b'{"n":"\\"a"}', "eq", '"a')
    assert meets(b'{"n":"say \\"a\\""}', "contains", '"')


@pytest.mark.parametrize(
    ("operator", "met"), [("lt", [1]), ("le", [1, 2]), ("gt", [3]), ("ge", [2, 3])]
)
def test_comparisons_include_the_bound_or_not(operator: str, met: list[int]) -> None:
    assert [n for n in (1, 2, 3) if meets(b'{"n":%d}' % n, operator, "2")] == met
    assert not meets(b'{"n":[2]}', operator, "2")
    assert not meets(b'{"n":2}', operator, "two")


def test_without_the_field_a_row_meets_only_ne_and_exists_false() -> None:
    asked = [(operator, "1") for operator in OPERATORS if operator != "exists"]
    asked += [("exists", "true"), ("exists", "false")]
    assert [each for each in asked if meets(b"{}", *each)] == [("ne", "1"), ("exists", "false")]
    assert meets(b'{"n":null}', "exists", "true")


def test_contains_finds_a_part_of_a_text_or_one_element() -> None:
    assert meets(b'{"n":"abc"}', "contains", "b")
    assert meets(b'{"n":[1,"ab",2.0]}', "contains", "2")
    assert not meets(b'{"n":[1,"ab"]}', "contains", "a")
    assert not meets(b'{"n":12}', "contains", "1")
