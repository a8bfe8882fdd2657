from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.domain.workers.input_schema import InputSchema, parse
from fyke.domain.workers.input_values import MAX_SMALL, is_large, matches, validate_input
from fyke.errors import InvalidRequest


def schema(*properties: dict[str, Any]) -> InputSchema:
    return parse(json.dumps({"properties": list(properties)}))


@pytest.mark.parametrize("value", [None, "", [], {}])
def test_an_empty_required_field_is_refused(value: Any) -> None:
    rules = schema({"name": "X", "required": True})
    for custom in ({"X": value}, {}):
        with pytest.raises(InvalidRequest) as caught:
            validate_input(rules, custom)
        assert caught.value.message.startswith('required field "X" is missing or empty')
        assert "input.parameters.custom.X" in caught.value.message


@pytest.mark.parametrize("value", [0, False, 0.0, " ", [None], {"a": None}])
def test_a_required_field_may_be_false_or_zero(value: Any) -> None:
    validate_input(schema({"name": "X", "required": True}), {"X": value})


@pytest.mark.parametrize(
    ("kind", "words", "good", "bad"),
    [
        ("string", "a string", ["", "a"], [1, True, [], {}]),
        ("integer", "an integer", [1, 2**70, 3.0], ["1", True, 1.5, []]),
        ("number", "a number", [1, 1.5, 2**70], ["1", False, {}]),
        ("boolean", "a boolean", [True, False], [0, "true", []]),
        ("array", "an array", [[], [1]], ["x", {}, 1]),
        ("object", "an object", [{}, {"a": 1}], [[], "x", 1]),
    ],
)
def test_a_value_must_have_the_type_of_its_field(
    kind: str, words: str, good: list[Any], bad: list[Any]
) -> None:
    rules = schema({"name": "X", "type": kind})
    for value in [*good, None]:
        validate_input(rules, {"X": value})
    for value in bad:
        with pytest.raises(InvalidRequest) as caught:
            validate_input(rules, {"X": value})
        assert caught.value.message.startswith(f'field "X" must be {words}')


def test_all_problems_are_reported() -> None:
    rules = schema(
        {"name": "a", "type": "array"},
        {"name": "b", "required": True},
        {"name": "c", "type": "string"},
    )
    with pytest.raises(InvalidRequest) as caught:
        validate_input(rules, {"a": "x", "c": 1})
    assert len(caught.value.details) == 3
    assert caught.value.message == caught.value.details[0]
    assert '"b"' in caught.value.details[1]


def test_custom_must_be_an_object() -> None:
    with pytest.raises(InvalidRequest, match="run input must be a JSON object"):
        validate_input(schema(), [1])  # type: ignore[arg-type]


def test_input_that_the_original_platform_accepts_is_accepted() -> None:
    rules = schema(
        {"name": "n", "type": "integer", "minimum": 1, "maximum": 3},
        {
            "name": "s",
            "type": "string",
            "editor": "select",
            "options": [{"label": "A", "value": "a"}],
        },
        {"name": "k", "type": "array", "editor": "stringList"},
        {"name": "r", "type": "array", "editor": "requestList"},
        {"name": "u", "type": "odd"},
    )
    custom = {"n": 9, "s": "z", "k": ["coffee", {"keyword": "x"}], "r": [1], "u": 1, "other": {}}
    before = json.dumps(custom)
    validate_input(rules, custom)
    assert json.dumps(custom) == before


@pytest.mark.parametrize(
    ("field", "value", "fits"),
    [
        ({"editor": "stringList"}, "x", False),
        ({"editor": "number"}, "x", False),
        ({"editor": "switch"}, 1, False),
        ({"editor": "json"}, [], False),
        ({"editor": "textarea"}, 1, False),
        ({"editor": "input", "default": 5}, 1, True),
        ({"default": True}, "x", False),
        ({"editor": "select"}, 1, True),
        ({"editor": "select", "type": "string", "multiple": True}, ["a"], True),
        ({}, object(), True),
    ],
)
def test_missing_types_are_inferred(field: dict[str, Any], value: Any, fits: bool) -> None:
    rules = schema({"name": "X", **field})
    if fits:
        validate_input(rules, {"X": value})
    else:
        with pytest.raises(InvalidRequest):
            validate_input(rules, {"X": value})


def test_an_unknown_type_accepts_any_value() -> None:
    assert matches("odd", object())


def test_an_input_that_is_not_an_object_is_refused_with_the_expected_form() -> None:
    with pytest.raises(InvalidRequest) as error:
        validate_input(parse('{"properties": []}'), [])  # type: ignore[arg-type]
    assert error.value.message == (
        "run input must be a JSON object; send input.parameters.custom as {...}"
    )


def test_an_input_is_large_by_the_number_of_its_values() -> None:
    assert not is_large({"a": "x" * 10**6, "b": [1] * (MAX_SMALL - 2)})
    assert is_large({"a": "x", "b": [1] * (MAX_SMALL - 1)})
    assert is_large({"a": [{"url": "x"}] * MAX_SMALL})
