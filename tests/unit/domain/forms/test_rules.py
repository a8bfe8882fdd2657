"""The rules of each editor, one by one: what is typed, and what is sent for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.domain.forms.describe import MAX_FIELDS, describe
from fyke.domain.forms.model import ControlKind, RunForm
from fyke.domain.forms.normalise import (
    FormPairs,
    GivenInput,
    JsonText,
    Normalised,
    normalise,
    start_value,
    to_pairs,
)
from fyke.model.worker import SystemDefaults


def form(*properties: dict[str, Any], **root: Any) -> RunForm:
    return describe(json.dumps({"properties": list(properties), **root}))


def item(editor: str, type: str, **more: Any) -> dict[str, Any]:
    return {"name": "x", "editor": editor, "type": type, **more}


def sent(made: RunForm, *pairs: tuple[str, str]) -> Normalised:
    return normalise(made, FormPairs(pairs))


def typed(made: RunForm, text: str) -> Any:
    read = sent(made, ("f:x", text))
    assert not read.errors, read.errors
    return read.custom.get("x", "absent")


def fault(made: RunForm, *pairs: tuple[str, str]) -> str:
    read = sent(made, *pairs)
    (error,) = read.errors
    return error.message


COLOURS = [{"label": "Red", "value": "red"}, {"label": "Blue", "value": "blue"}]
SIZES = [{"label": "One", "value": 1}, {"label": "The text 1", "value": "1"}, 2.5, True, None]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-0012", -12),
        (" 7 ", 7),
        ("12345678901234567890123", 12345678901234567890123),
        ("5.0", 5.0),
        ("1e3", 1000.0),
        ("", "absent"),
        ("  ", "absent"),
    ],
)
def test_whole_numbers_keep_every_digit(text: str, value: Any) -> None:
    found = typed(form(item("number", "integer")), text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,5", "without commas"),
        ("1,000", "without commas"),
        ("2.5", "has decimals"),
        ("ten", "use digits only"),
        ("٣", "use digits only"),
        ("1e999", "too large"),
        ("9" * 5000, "at most 4,300 digits"),
        ("0", "at least 1"),
        ("11", "at most 10"),
    ],
)
def test_an_invalid_number_is_refused_in_words(text: str, words: str) -> None:
    message = fault(form(item("number", "integer", minimum=1, maximum=10)), ("f:x", text))
    assert words in message
    assert message.startswith('field "x" must' if "large" not in words else 'field "x" is')


def test_a_number_that_was_there_may_stay_beyond_its_bounds() -> None:
    made = form(item("number", "integer", maximum=10))
    shown = to_pairs(made, Normalised({}, {"x": 99}))
    assert not sent(made, *shown).errors
    changed = [(name, "98" if name == "f:x" else text) for name, text in shown]
    assert "at most 10" in fault(made, *changed)


@pytest.mark.parametrize("editor", ["input", "textarea"])
def test_text_is_never_trimmed(editor: str) -> None:
    assert typed(form(item(editor, "string")), "  a\t ") == "  a\t "


def test_lines_of_a_text_end_as_they_do_everywhere() -> None:
    assert typed(form(item("textarea", "string")), "a\r\nb\r\n") == "a\nb\n"


def test_an_emptied_default_says_none_and_an_untouched_field_says_nothing() -> None:
    made = form(item("input", "string", default="Fyke"))
    assert typed(made, "") == ""
    assert typed(form(item("input", "string")), "") == "absent"
    was_null = to_pairs(made, Normalised({}, {"x": None}))
    assert sent(made, *was_null).custom == {"x": None}


@pytest.mark.parametrize(
    ("token", "value"),
    [("1", 1), ('"1"', "1"), ("2.5", 2.5), ("true", True), ("null", None), ("One", 1)],
)
@pytest.mark.parametrize("editor", ["select", "radio"])
def test_the_type_of_a_choice_is_that_of_its_option(editor: str, token: str, value: Any) -> None:
    made = form({"name": "x", "editor": editor, "options": SIZES, "type": "number"})
    found = sent(made, ("f:x", token)).custom["x"]
    assert (found, type(found)) == (value, type(value))


def test_an_unknown_option_is_refused_when_typed_and_kept_when_stored() -> None:
    made = form(item("select", "string", options=COLOURS))
    assert 'no option "green"' in fault(made, ("f:x", "green"))
    shown = to_pairs(made, Normalised({}, {"x": "green"}))
    assert sent(made, *shown) == Normalised({}, {"x": "green"})


def test_the_order_of_a_choice_is_kept() -> None:
    for editor, more in (("checkbox", {}), ("select", {"multiple": True})):
        made = form(item(editor, "array", options=COLOURS, **more))
        pairs = [("f:x", "red"), ("f:x", "blue"), ("f:x:order", '["blue","red"]')]
        assert sent(made, *pairs).custom["x"] == ["blue", "red"]
        assert sent(made, *pairs[:2]).custom["x"] == ["red", "blue"]
        assert sent(made, pairs[0], ("f:x:order", "[1,")).custom["x"] == ["red"]


def test_nothing_ticked_is_an_empty_list_and_unticked_is_false() -> None:
    assert sent(form(item("checkbox", "array", options=COLOURS))).custom == {"x": []}
    assert sent(form(item("switch", "boolean"))).custom == {"x": False}
    assert typed(form(item("switch", "boolean")), "true") is True


@pytest.mark.parametrize(
    ("formats", "typing", "value"),
    [
        ({}, "2026-11-24", "2026-11-24"),
        ({"format": "DD/MM/YYYY"}, "2026-11-24", "24/11/2026"),
        ({"format": "DD/MM/YYYY"}, "24/11/2026", "24/11/2026"),
        ({"format": "DD/MM/YYYY", "valueFormat": "YYYYMMDD"}, "24/11/2026", "20261124"),
        ({"format": "D.M.YYYY"}, "2026-03-04", "4.3.2026"),
        ({"format": "%d-%m-%Y"}, "2026-11-24", "24-11-2026"),
        ({"format": "yyyy/MM/dd"}, "2026-11-24", "2026/11/24"),
        ({"format": "YYYY-MM-DD HH:mm:ss"}, "2026-11-24T08:30", "2026-11-24 08:30:00"),
        ({"format": "[on] DD/MM/YYYY"}, "2026-11-24", "on 24/11/2026"),
        ({"format": "YYYY-MM"}, "2026-11", "2026-11"),
        ({"format": "x"}, "anything", "anything"),
    ],
)
def test_dates_are_sent_as_the_schema_wants_them(
    formats: dict[str, str], typing: str, value: str
) -> None:
    assert typed(form(item("datepicker", "string", **formats)), typing) == value


@pytest.mark.parametrize("text", ["2026-02-30", "tomorrow", "24.11.2026", "2026-13-01"])
def test_an_invalid_date_is_refused_with_a_sample(text: str) -> None:
    made = form(item("datepicker", "string", format="DD/MM/YYYY"))
    assert "31/12/2026" in fault(made, ("f:x", text))


def test_a_date_may_be_a_span_where_the_schema_allows_it() -> None:
    made = form(item("datepicker", "string", format="DD/MM/YYYY|relative"))
    assert sent(made, ("f:x:amount", "7"), ("f:x:unit", "days")).custom == {"x": "7 days"}
    assert dict(to_pairs(made, Normalised({}, {"x": "7 days"})))["f:x:amount"] == "7"
    assert "whole number" in fault(made, ("f:x:amount", "1,5"), ("f:x:unit", "days"))
    both = ("f:x", "2026-11-24"), ("f:x:amount", "7"), ("f:x:unit", "days")
    assert "both a date and a span" in fault(made, *both)
    fixed = form(item("datepicker", "string"))
    assert sent(fixed, ("f:x:amount", "7")).custom == {}


def test_a_date_that_was_written_otherwise_stays_as_it_is() -> None:
    made = form(item("datepicker", "string", format="DD/MM/YYYY", default="2026-11-24"))
    shown = to_pairs(made, Normalised({}, start_value(made)))
    assert ("f:x", "2026-11-24") in shown
    assert sent(made, *shown).custom == {"x": "2026-11-24"}


@pytest.mark.parametrize(
    ("editor", "default", "value"),
    [
        ("requestList", [], [{"url": "a"}, {"url": " b "}]),
        ("requestList", ["q"], ["a", " b "]),
        ("stringList", [], ["a", " b "]),
        ("stringList", [{"keyword": "q"}], [{"keyword": "a"}, {"keyword": " b "}]),
    ],
)
def test_both_shapes_of_a_list_are_kept(editor: str, default: list[Any], value: Any) -> None:
    made = form(item(editor, "array", default=default))
    assert typed(made, "a\r\n\r\n b \r\n") == value
    for other in (["x", "y"], [{"k": "x"}]):
        shown = to_pairs(made, Normalised({}, {"x": other}))
        assert "f:x:json" not in dict(shown)
        assert sent(made, *shown).custom == {"x": other}


@pytest.mark.parametrize(
    "value", [[1, 2], ["a", {"url": "b"}], [{"url": "a", "n": 1}], ["a\nb"], "text", {"a": 1}]
)
def test_items_that_a_list_cannot_show_are_kept_as_json(value: Any) -> None:
    made = form(item("requestList", "array"))
    shown = to_pairs(made, Normalised({}, {"x": value}))
    assert json.loads(dict(shown)["f:x:json"]) == value
    assert sent(made, *shown).custom == {"x": value}


TABLE = item(
    "requestListSource",
    "array",
    param_list=[
        {"param": "url", "title": "Address", "required": True},
        {"param": "depth", "title": "Depth", "type": "integer", "editor": "number"},
        {"param": "deep", "title": "Deep", "type": "boolean", "editor": "switch"},
    ],
)


def test_rows_have_typed_cells_and_blank_ones_are_left_out() -> None:
    made = form(TABLE)
    pairs = [
        ("f:x:0.url", "a"), ("f:x:0.depth", "2"), ("f:x:0.deep", "true"),
        ("f:x:1.url", ""), ("f:x:1.depth", ""),
        ("f:x:7.url", "b"),
    ]  # fmt: skip
    rows = [{"url": "a", "depth": 2, "deep": True}, {"url": "b", "deep": False}]
    assert sent(made, *pairs).custom == {"x": rows}


def test_a_fault_in_a_row_names_row_and_column() -> None:
    read = sent(form(TABLE), ("f:x:0.depth", "2"), ("f:x:1.url", "b"), ("f:x:1.depth", "1,5"))
    assert [(e.row, e.column) for e in read.errors] == [(1, "url"), (2, "depth")]
    assert read.errors[0].message == (
        'field "x", row 1, "Address" is required; fill it in or take the row out'
    )


def test_pasted_columns_become_rows_with_and_without_titles() -> None:
    made = form(TABLE)
    rows = [{"url": "a", "depth": 1, "deep": False}, {"url": "b", "depth": 2, "deep": True}]
    assert sent(made, ("f:x:paste", "a\t1\r\nb\t2\ttrue\r\n")).custom == {"x": rows}
    assert sent(made, ("f:x:paste", "Depth\turl\tdeep\n1\ta\t\n2\tb\ttrue\n")).custom == {"x": rows}
    after = sent(made, ("f:x:0.url", "first"), ("f:x:paste", "a\t1"))
    assert [row["url"] for row in after.custom["x"]] == ["first", "a"]


def test_json_says_line_and_column() -> None:
    made = form(item("json", "object"))
    assert typed(made, '{"a": 12345678901234567890123}') == {"a": 12345678901234567890123}
    read = sent(made, ("f:x", '{\n  "a": 1,\n}'))
    # the comma, or since Python 3.13 what should not have followed it
    assert (read.errors[0].line, read.errors[0].line_column) in ((2, 9), (3, 1))
    assert "comma" in read.errors[0].message
    for text, words in (
        ('{"a": NaN}', "NaN is no JSON value"),
        ('{"a": 1, "a": 2}', 'the key "a" stands twice'),
        ("[" * 100 + "]" * 100, "deeper than 64"),
        ('"\\ud800"', "half of a pair"),
        ("1e999", "too large"),
    ):
        assert words in fault(made, ("f:x", text))


# --- the JSON view ---------------------------------------------------------------------------


def test_the_json_view_takes_the_own_object_and_the_whole() -> None:
    made = form(item("number", "integer"))
    system = [("s:memory", "1024")]
    assert normalise(made, JsonText('{"x": 1}', system)) == Normalised({"memory": 1024}, {"x": 1})
    whole = '{"parameters": {"system": {"memory": 2048}, "custom": {"x": 1}}}'
    assert normalise(made, JsonText(whole, system)) == Normalised({"memory": 2048}, {"x": 1})
    bare = '{"parameters": {"custom": {"x": 1}}}'
    assert normalise(made, JsonText(bare, system)) == Normalised({"memory": 1024}, {"x": 1})
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
def test_faults_of_the_json_view_have_their_line(text: str, words: str, line: int) -> None:
    (error,) = normalise(form(item("number", "integer")), JsonText(text)).errors
    assert words in error.message
    assert error.line == line


def test_options_of_the_run_have_the_rules_of_every_start() -> None:
    made = form()
    pairs = ("s:memory", "99999"), ("s:max_total_charge", "1,5"), ("s:proxy_region", "usa")
    errors = {e.path: e.message for e in sent(made, *pairs).errors}
    assert "no option" in errors["system.memory"]
    assert "without commas" in errors["system.max_total_charge"]
    assert "two capital letters" in errors["system.proxy_region"]
    given = normalise(made, GivenInput({"parameters": {"system": {"cpus": -1}, "custom": {}}}))
    assert [e.path for e in given.errors] == ["system.cpus"]


def test_required_fields_that_are_empty_are_named() -> None:
    made = form(item("input", "string", required=True))
    assert 'required field "x" is missing or empty' in fault(made, ("f:x", ""))


def test_a_value_that_is_not_an_input_is_one_error() -> None:
    for value in (None, [], "x", {}, {"parameters": 1}, {"parameters": {"custom": []}}):
        (error,) = normalise(form(), GivenInput(value), SystemDefaults()).errors
        assert error.path == ""


# --- the form --------------------------------------------------------------------------------


def test_groups_begin_where_the_caption_stands() -> None:
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
        ("textarea", "array", ControlKind.LIST, "does not make the type array"),
        ("switch", "string", ControlKind.LINE, "does not make the type string"),
        ("requestListSource", "array", ControlKind.JSON, "needs a param_list"),
        ("json", "string", ControlKind.LINE, "does not make"),
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
def test_a_broken_schema_says_why_and_takes_json(text: str, words: str) -> None:
    made = describe(text)
    assert words in made.broken
    assert made.sections == ()
    assert normalise(made, JsonText('{"a": 1}')) == Normalised({}, {"a": 1})


def test_a_schema_may_have_more_fields_than_the_form_shows() -> None:
    made = form(*({"name": f"n{n}", "type": "string"} for n in range(MAX_FIELDS + 1)))
    assert f"only the first {MAX_FIELDS}" in made.notes[0]
    custom = {f"n{MAX_FIELDS}": "kept"}
    assert sent(made, *to_pairs(made, Normalised({}, custom))).custom == custom
