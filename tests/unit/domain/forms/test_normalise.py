"""The input of a run from the JSON view, a form and a request, and its errors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.domain.forms import normalise as module
from fyke.domain.forms.normalise import (
    GivenInput,
    JsonText,
    NormalisedInput,
    is_whole,
    normalise,
    start_value,
)
from fyke.model.worker import SystemDefaults
from support.forms import fault, form, item, sent


def test_the_json_view_accepts_the_own_object_or_the_whole_input() -> None:
    made = form(item("number", "integer"))
    system = [("s:memory", "1024")]
    assert normalise(made, JsonText('{"x": 1}', system)) == NormalisedInput(
        {"memory": 1024}, {"x": 1}
    )
    whole = '{"parameters": {"system": {"memory": 2048}, "custom": {"x": 1}}}'
    assert normalise(made, JsonText(whole, system)) == NormalisedInput({"memory": 2048}, {"x": 1})
    bare = '{"parameters": {"custom": {"x": 1}}}'
    assert normalise(made, JsonText(bare, system)) == NormalisedInput({"memory": 1024}, {"x": 1})
    own = form({"name": "parameters", "type": "object", "editor": "json"})
    assert normalise(own, JsonText(bare)).custom == json.loads(bare)


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("", "the JSON is empty; write {}", 0),
        ("[1]", "must be a JSON object", 0),
        ('{"x": 1,}', "line 1, column", 1),
        ("{\n'x': 1}", "double quotes", 2),
        ('{\n\n"x": "1"}', "must be an integer", 3),
        ('{"parameters": {"custom": {\n"x": "1"}}}', "must be an integer", 2),
    ],
)
def test_errors_of_the_json_view_have_their_line(text: str, words: str, line: int) -> None:
    (error,) = normalise(form(item("number", "integer")), JsonText(text)).errors
    assert words in error.message
    assert error.line == line


def test_run_options_are_checked_by_the_rules_of_a_start() -> None:
    made = form()
    pairs = ("s:memory", "99999"), ("s:max_total_charge", "1,5"), ("s:proxy_region", "usa")
    errors = {e.path: e.message for e in sent(made, *pairs).errors}
    assert "no option" in errors["system.memory"]
    assert "without commas" in errors["system.max_total_charge"]
    assert "two capital letters" in errors["system.proxy_region"]
    given = normalise(made, GivenInput({"parameters": {"system": {"cpus": -1}, "custom": {}}}))
    assert [e.path for e in given.errors] == ["system.cpus"]


def test_the_error_of_an_empty_required_field_names_it() -> None:
    made = form(item("input", "string", required=True))
    assert 'required field "x" is missing or empty' in fault(made, ("f:x", ""))


def test_a_value_that_is_not_an_input_is_one_error() -> None:
    for value in (None, [], "x", {}, {"parameters": 1}, {"parameters": {"custom": []}}):
        (error,) = normalise(form(), GivenInput(value), SystemDefaults()).errors
        assert error.path == ""


def test_members_that_the_form_does_not_show_are_part_of_the_input() -> None:
    made = form(item("number", "integer"))
    read = sent(made, ("f:x", "1"), ("f", '{"more": [2]}'), ("s", '{"cpus": 1}'))
    assert read == NormalisedInput({"cpus": 1}, {"x": 1, "more": [2]})
    assert read.input == {"parameters": {"system": {"cpus": 1}, "custom": {"x": 1, "more": [2]}}}
    for rest, words in (("{", "are not valid JSON: line 1"), ("[1]", "must be a JSON object")):
        for part in ("f", "s"):
            message = fault(made, ("f:x", "1"), (part, rest))
            assert message.startswith("the values that are not shown ")
            assert words in message


def test_a_form_with_too_many_values_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PAIRS", 2)
    made = form(item("input", "string", required=True))
    assert not sent(made, ("f:x", "a"), ("f", "")).errors
    read = sent(made, ("f:x", "a"), ("f", ""), ("s", ""))
    (error,) = read.errors
    assert error.message == "the form has more than 2 values; give the input as JSON"
    assert read.custom == {}


@pytest.mark.parametrize(
    ("value", "whole"),
    [
        ({"parameters": {"custom": {}}}, True),
        ({"parameters": {"custom": {}, "system": {}}}, True),
        ({"parameters": {"system": {}}}, False),
        ({"parameters": {"custom": {}, "other": 1}}, False),
        ({"parameters": [], "custom": {}}, False),
        ({"parameters": {"custom": {}}, "x": 1}, False),
        ({}, False),
    ],
)
def test_the_whole_input_is_recognised_by_its_members(value: dict[str, Any], whole: bool) -> None:
    assert is_whole(form(item("input", "string")), value) is whole
    assert not is_whole(form({"name": "parameters", "type": "object"}), value)


def test_each_field_has_at_most_one_error() -> None:
    made = form(
        item("number", "integer", required=True),
        {"name": "y", "editor": "input", "type": "string", "required": True},
    )
    errors = sent(made, ("f:x", "1,5"), ("s:memory", "x")).errors
    found = {error.path: error for error in errors}
    assert sorted(found) == ["custom.x", "custom.y", "system.memory"]
    assert len(errors) == 3
    assert "without commas" in found["custom.x"].message
    assert [path for path, error in found.items() if error.missing] == ["custom.y"]


def test_an_untouched_form_sends_its_defaults_and_its_empty_lists() -> None:
    made = form(
        item("input", "string"),
        {"name": "n", "editor": "number", "type": "integer", "default": None},
        {"name": "list", "editor": "stringList", "type": "array"},
        {"name": "on", "editor": "switch", "type": "boolean"},
        {"name": "off", "editor": "switch", "type": "boolean", "default": True},
        {"name": "json", "editor": "json", "type": "object"},
    )
    assert start_value(made) == {"n": None, "list": [], "on": False, "off": True}


def test_errors_in_a_very_long_text_have_no_line() -> None:
    made = form(item("number", "integer"))
    (error,) = normalise(made, JsonText('{\n"x": "1"' + " " * 500_000 + "}")).errors
    assert (error.path, error.line) == ("custom.x", 0)
