"""Parsing of ``input_schema.json``: the errors and the parsed parts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.domain.workers.input_schema import (
    InputField,
    InputSchema,
    defaults,
    is_number,
    json_type,
    param_name,
    parse,
    type_of,
)
from fyke.errors import InvalidRequest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "input_schema.json: the root must be an object with a properties array"),
        ("{}", 'input_schema.json: properties must be an array; add "properties": []'),
        (
            '{"properties": [{"name": "a"}, {"title": "b"}]}',
            "input_schema.json: properties[1] has no name; give every property a unique name",
        ),
        (
            '{"properties": [{"name": " "}]}',
            "input_schema.json: properties[0] has no name; give every property a unique name",
        ),
        (
            '{"properties": [7]}',
            "input_schema.json: properties[0] has no name; give every property a unique name",
        ),
        (
            '{"properties": [{"name": "a"}, {"name": "a"}]}',
            'input_schema.json: the name "a" is used twice; rename one of the properties',
        ),
    ],
)
def test_unusable_schemas_are_refused_with_the_remedy(text: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        parse(text)
    assert error.value.message == message


def test_invalid_json_is_refused_with_its_line() -> None:
    with pytest.raises(InvalidRequest) as error:
        parse('{\n "properties": ]}')
    assert error.value.message == "input_schema is not a valid json"
    [detail] = error.value.details or ()
    assert detail.startswith("input_schema.json: line 2: ")


def test_an_error_about_the_whole_file_has_no_line() -> None:
    with pytest.raises(InvalidRequest) as error:
        parse(" " * 500_001)
    assert error.value.details == ["input_schema.json: the file is larger than 500,000 bytes"]


def test_the_parts_that_a_run_needs_are_parsed() -> None:
    document = {
        "description": "what it does",
        "properties": [
            {"name": "urls", "type": "array", "title": " Addresses ", "required": True},
            {"name": "limit", "required": "yes"},
        ],
        "concurrency": {"fields": [" urls ", "", 3, "urls"], "remove_fields": ["urls", "other"]},
        "b": " urls ",
    }
    assert parse(json.dumps(document)) == InputSchema(
        fields=(InputField("urls", "array", True, "Addresses"), InputField("limit", "", False, "")),
        description="what it does",
        split_fields=("urls",),
        remove_fields=("urls",),
        legacy_split_field="urls",
    )


def test_options_have_labels_by_type_and_value() -> None:
    options = [
        {"label": " Out of memory ", "value": "oom"},
        {"label": "Once", "value": 1},
        {"label": "Twice", "value": 1},
        {"title": "Yes", "value": True},
        {"label": "", "value": "blank"},
        {"label": "List", "value": []},
        "plain",
    ]
    (field,) = parse(json.dumps({"properties": [{"name": "x", "options": options}]})).fields
    assert field.labels == {(str, "oom"): "Out of memory", (int, 1): "Once", (bool, True): "Yes"}


def test_members_of_unexpected_types_count_as_missing() -> None:
    document = {"description": 1, "properties": [], "concurrency": [], "b": 7}
    assert parse(json.dumps(document)) == InputSchema((), "", (), (), "")


@pytest.mark.parametrize(
    ("item", "type"),
    [
        ({"editor": "select", "multiple": True, "type": "string"}, "array"),
        ({"editor": "select", "multiple": "yes", "type": "string"}, "string"),
        ({"type": "integer", "editor": "input"}, "integer"),
        ({"type": "text", "editor": "input"}, ""),
        ({"type": ["string"], "editor": "input"}, ""),
        ({"editor": "switch"}, "boolean"),
        ({"editor": "input"}, "string"),
        ({"editor": "input", "default": 3}, "integer"),
        ({"editor": "number", "default": "3"}, "number"),
        ({"editor": "unknown"}, ""),
        ({"default": True}, "boolean"),
        ({"default": [1]}, "array"),
        ({}, ""),
    ],
)
def test_a_type_is_declared_or_inferred_from_editor_and_default(
    item: dict[str, Any], type: str
) -> None:
    assert type_of(item) == type


@pytest.mark.parametrize(
    ("value", "type"),
    [
        (True, "boolean"), (1, "integer"), (1.5, "number"), ("", "string"), ([], "array"),
        ({}, "object"), (None, ""),
    ],
)  # fmt: skip
def test_each_value_has_its_schema_type(value: object, type: str) -> None:
    assert json_type(value) == type


@pytest.mark.parametrize(
    ("value", "number"), [(0, True), (1.5, True), (True, False), ("1", False), (None, False)]
)
def test_a_boolean_is_not_a_number(value: object, number: bool) -> None:
    assert is_number(value) is number


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ({"param": " url ", "name": "other"}, "url"),
        ({"param": " ", "name": " url "}, "url"),
        ({"name": "url"}, "url"),
        ({"param": 7}, ""),
        ("url", ""),
    ],
)
def test_a_param_is_named_by_param_or_its_alias(item: object, name: str) -> None:
    assert param_name(item) == name


def test_the_defaults_fill_a_form() -> None:
    fields = [{"name": "a", "default": 0}, {"name": "b"}, {"name": "c", "default": None}]
    assert defaults(json.dumps({"properties": fields})) == {"a": 0}
    with pytest.raises(InvalidRequest):
        defaults("[]")
