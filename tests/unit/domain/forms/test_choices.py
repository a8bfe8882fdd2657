"""The options of a control, their tokens, and the values of tokens."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.domain.forms.choices import MAX_OPTIONS, read_options, token_of, value_of
from fyke.domain.forms.model import Option, same

VALUES = ["red", "", " ", "1", "true", "null", '"x"', "[", 1, 1.0, True, False, None, [1], {"a": 1}]


def test_every_value_has_a_unique_token() -> None:
    tokens = [token_of(value) for value in VALUES]
    assert len(set(tokens)) == len(VALUES)
    for value, token in zip(VALUES, tokens, strict=True):
        assert token.strip()  # a blank one means that nothing is chosen
        assert same(value_of(token), value)


def test_plain_text_is_its_own_token_unless_it_is_json() -> None:
    assert token_of("red") == "red"
    assert token_of("12") == '"12"'
    assert token_of(12) == "12"
    assert value_of('{"a": 1}') == '{"a": 1}'  # no token: it has a space
    assert token_of("[" * 100_000) == "[" * 100_000


@pytest.mark.parametrize(
    ("entry", "label", "value"),
    [
        ("red", "red", "red"),
        (2.5, "2.5", 2.5),
        (None, "null", None),
        ({"label": "Red", "value": "r"}, "Red", "r"),
        ({"title": "Red", "value": "r"}, "Red", "r"),
        ({"name": "Red", "value": None}, "Red", None),
        ({"value": 1}, "1", 1),
        ({"label": " ", "value": "r"}, "r", "r"),
        ({"label": "Red"}, "Red", "Red"),
    ],
)
def test_an_option_has_a_label_and_a_value(entry: object, label: str, value: Any) -> None:
    assert read_options([entry]) == (Option(label, value, token_of(value)),)


def test_invalid_options_are_left_out() -> None:
    assert read_options([["a"], {}, {"label": None}, "b"]) == (Option("b", "b", "b"),)
    for raw in (None, "ab", {"a": 1}, 5):
        assert read_options(raw) == ()


def test_options_are_distinct_and_limited() -> None:
    entries = [{"label": "A", "value": 1}, {"label": "B", "value": 1}, {"label": "C", "value": "1"}]
    assert [option.label for option in read_options(entries)] == ["A", "C"]
    assert len(read_options(list(range(MAX_OPTIONS + 1)))) == MAX_OPTIONS


def test_users_may_type_the_value_or_the_label() -> None:
    known = read_options([{"label": "2", "value": 1}, {"label": "One", "value": 2}, "true"]).values
    assert known["1"] == 1
    assert known["2"] == 2  # a token has precedence over the label of another option
    assert known["One"] == 2
    assert known["true"] == "true"  # there is no option true, so its text is meant
    both = read_options(["true", True]).values
    assert (both["true"], both['"true"']) == (True, "true")
