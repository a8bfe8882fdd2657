"""The form of a schema: its sections, the control of each field, and broken schemas."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.domain.forms.describe import MAX_COLUMNS, MAX_FIELDS, describe
from fyke.domain.forms.model import ABSENT, ControlKind
from fyke.domain.forms.normalise import (
    JsonText,
    NormalisedInput,
    normalise,
    to_pairs,
)
from support.forms import COLOURS, SIZES, form, item, sent


def test_a_caption_starts_a_section() -> None:
    made = form(
        {"name": "a"},
        {"name": "b", "sectionCaption": "More", "sectionDescription": "Words"},
        {"name": "c"},
        {"name": "d", "sectionCaption": "More"},
        {"name": "e", "sectionCaption": "Last"},
    )
    found = [(s.caption, s.description, [f.name for f in s.fields]) for s in made.sections]
    assert found == [("", "", ["a"]), ("More", "Words", ["b", "c", "d"]), ("Last", "", ["e"])]


@pytest.mark.parametrize(
    ("editor", "type", "more", "kind"),
    [
        ("input", "string", {}, ControlKind.LINE),
        ("input", "integer", {}, ControlKind.NUMBER),
        ("textarea", "string", {}, ControlKind.TEXT),
        ("number", "number", {}, ControlKind.NUMBER),
        ("select", "string", {"options": COLOURS}, ControlKind.SELECT),
        ("select", "string", {"options": COLOURS, "multiple": True}, ControlKind.MULTISELECT),
        ("select", "array", {"options": COLOURS}, ControlKind.MULTISELECT),
        ("radio", "integer", {"options": SIZES}, ControlKind.RADIO),
        ("checkbox", "array", {"options": COLOURS}, ControlKind.CHECKBOXES),
        ("switch", "boolean", {}, ControlKind.SWITCH),
        ("datepicker", "string", {}, ControlKind.DATE),
        ("requestList", "array", {}, ControlKind.LIST),
        ("stringList", "array", {}, ControlKind.LIST),
        ("requestListSource", "array", {"param_list": [{"param": "a"}]}, ControlKind.TABLE),
        ("json", "object", {}, ControlKind.JSON),
    ],
)
def test_every_editor_has_its_control(
    editor: str, type: str, more: dict[str, Any], kind: ControlKind
) -> None:
    field = form(item(editor, type, **more)).fields["x"]
    assert field.kind is kind
    assert field.notes == ()


@pytest.mark.parametrize(
    ("editor", "type", "kind", "words"),
    [
        ("text", "string", ControlKind.LINE, 'the editor "text" is unknown'),
        ("text", "array", ControlKind.LIST, "is unknown"),
        ("text", "object", ControlKind.JSON, "is unknown"),
        ("", "boolean", ControlKind.SWITCH, "no editor is given"),
        ("select", "string", ControlKind.LINE, "has no options"),
        ("textarea", "array", ControlKind.LIST, "does not fit the type array"),
        ("switch", "string", ControlKind.LINE, "does not fit the type string"),
        ("requestListSource", "array", ControlKind.JSON, "needs a param_list"),
        ("json", "string", ControlKind.LINE, "does not fit"),
    ],
)
def test_unsuitable_editors_fall_back_by_type(
    editor: str, type: str, kind: ControlKind, words: str
) -> None:
    field = form(item(editor, type)).fields["x"]
    assert field.kind is kind
    assert words in field.notes[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "line 1"),
        ("[]", "the root must be an object"),
        ('{"properties": {}}', "properties must be an array"),
        ('{"properties": [{}]}', "has no name"),
        ("", "line 1"),
        ('{"properties": [{"name": "a"}, {"name": "a"}]}', "used twice"),
    ],
)
def test_a_form_of_a_broken_schema_has_the_reason_and_accepts_json(text: str, words: str) -> None:
    made = describe(text)
    assert words in made.broken
    assert made.sections == ()
    assert normalise(made, JsonText('{"a": 1}')) == NormalisedInput({}, {"a": 1})


def test_a_schema_may_have_more_fields_than_the_form_shows() -> None:
    made = form(*({"name": f"n{n}", "type": "string"} for n in range(MAX_FIELDS + 1)))
    assert f"only the first {MAX_FIELDS}" in made.notes[0]
    custom = {f"n{MAX_FIELDS}": "kept"}
    assert sent(made, *to_pairs(made, NormalisedInput({}, custom))).custom == custom


def test_a_section_has_the_first_description_after_its_caption() -> None:
    made = form(
        {"name": "a", "sectionDescription": "Before"},
        {"name": "b", "sectionCaption": " More "},
        {"name": "c", "sectionDescription": "Late"},
        {"name": "d", "sectionDescription": "Later"},
    )
    found = [(s.caption, s.description, len(s.fields)) for s in made.sections]
    assert found == [("", "Before", 1), ("More", "Late", 3)]


def test_invalid_texts_and_bounds_are_left_out() -> None:
    made = form(
        {"name": "a", "title": " ", "description": 5, "unit": "x" * 50, "minimum": "1"},
        {"name": "b", "title": " B ", "required": "yes", "minimum": 0, "maximum": True},
    ).fields
    assert (made["a"].title, made["a"].description, made["a"].unit) == ("a", "", "x" * 40)
    assert (made["a"].minimum, made["b"].minimum, made["b"].maximum) == (None, 0, None)
    assert (made["b"].title, made["b"].required) == ("B", False)
    assert made["b"].default is ABSENT
    assert form({"name": "a", "default": None}).fields["a"].default is None


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"type": "string", "options": COLOURS}, ControlKind.SELECT),
        ({"type": "array", "options": COLOURS}, ControlKind.MULTISELECT),
        ({"type": "boolean", "options": COLOURS}, ControlKind.SWITCH),
        ({"type": "object", "options": COLOURS}, ControlKind.JSON),
        ({"default": "a"}, ControlKind.LINE),
        ({"default": 5}, ControlKind.NUMBER),
        ({"default": {"a": 1}}, ControlKind.JSON),
        ({}, ControlKind.LINE),
    ],
)
def test_without_an_editor_type_options_and_default_determine_the_control(
    more: dict[str, Any], kind: ControlKind
) -> None:
    assert form({"name": "x", **more}).fields["x"].kind is kind


def test_a_list_with_the_editor_json_is_shown_as_json() -> None:
    assert form(item("json", "array")).fields["x"].kind is ControlKind.JSON


@pytest.mark.parametrize(
    ("editor", "default", "key"),
    [
        ("requestList", None, "url"),
        ("requestList", [{"link": "a"}], "link"),
        ("requestList", ["a"], ""),
        ("stringList", [{"url": "a", "n": 1}], ""),
        ("stringList", [], ""),
    ],
)
def test_the_item_key_of_a_list_is_taken_from_its_default(
    editor: str, default: Any, key: str
) -> None:
    assert form(item(editor, "array", default=default)).fields["x"].item_key == key


def columns(*params: Any) -> dict[str, ControlKind]:
    made = form(item("requestListSource", "array", param_list=list(params))).fields["x"]
    return {column.name: column.kind for column in made.columns}


def test_each_column_of_a_table_has_a_control_that_fits_in_a_cell() -> None:
    found = columns(
        {"param": "plain"},
        {"name": "alias", "type": "integer"},
        {"param": "pick", "editor": "select", "options": COLOURS},
        {"param": "rows", "editor": "requestList", "type": "array"},
        {"param": "data", "editor": "json", "type": "object"},
        {"param": "plain", "editor": "switch", "type": "boolean"},
        {"title": "no name"},
        "no column",
    )
    assert found == {
        "plain": ControlKind.LINE,
        "alias": ControlKind.NUMBER,
        "pick": ControlKind.SELECT,
        "rows": ControlKind.LINE,
        "data": ControlKind.LINE,
    }


def test_the_number_of_columns_is_limited() -> None:
    assert len(columns(*({"param": f"p{n}"} for n in range(MAX_COLUMNS + 1)))) == MAX_COLUMNS
