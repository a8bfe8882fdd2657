"""The rules of each control: the value for a typed text, and the texts for a value."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.domain.forms.controls import (
    READ,
    SHOW,
    PostedTexts,
    ReadValue,
    is_lossless,
    one_line,
    order_of,
)
from fyke.domain.forms.model import ABSENT, FormField
from fyke.domain.forms.normalise import NormalisedInput, to_pairs
from support.forms import COLOURS, SIZES, fault, form, item, sent, typed
from support.hangs import no_hang


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
def test_an_invalid_number_is_refused_with_the_rule(text: str, words: str) -> None:
    message = fault(form(item("number", "integer", minimum=1, maximum=10)), ("f:x", text))
    assert words in message
    assert message.startswith('field "x" must' if "large" not in words else 'field "x" is')


@pytest.mark.parametrize("editor", ["input", "textarea"])
def test_text_is_never_trimmed(editor: str) -> None:
    assert typed(form(item(editor, "string")), "  a\t ") == "  a\t "


def test_an_emptied_default_is_sent_as_empty_and_an_untouched_field_is_not_sent() -> None:
    made = form(item("input", "string", default="Fyke"))
    assert typed(made, "") == ""
    assert typed(form(item("input", "string")), "") == "absent"
    null_pairs = to_pairs(made, NormalisedInput({}, {"x": None}))
    assert sent(made, *null_pairs).custom == {"x": None}


@pytest.mark.parametrize(
    ("token", "value"),
    [("1", 1), ('"1"', "1"), ("2.5", 2.5), ("true", True), ("null", None), ("One", 1)],
)
@pytest.mark.parametrize("editor", ["select", "radio"])
def test_a_choice_has_the_type_of_its_option(editor: str, token: str, value: Any) -> None:
    made = form({"name": "x", "editor": editor, "options": SIZES, "type": "number"})
    found = sent(made, ("f:x", token)).custom["x"]
    assert (found, type(found)) == (value, type(value))


def test_choices_are_in_the_order_in_which_they_were_made() -> None:
    for editor, more in (("checkbox", {}), ("select", {"multiple": True})):
        made = form(item(editor, "array", options=COLOURS, **more))
        pairs = [("f:x", "red"), ("f:x", "blue"), ("f:x:order", '["blue","red"]')]
        assert sent(made, *pairs).custom["x"] == ["blue", "red"]
        assert sent(made, *pairs[:2]).custom["x"] == ["red", "blue"]
        assert sent(made, pairs[0], ("f:x:order", "[1,")).custom["x"] == ["red"]


def test_without_ticks_checkboxes_are_an_empty_list_and_a_switch_is_false() -> None:
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
def test_dates_are_sent_in_the_format_of_the_schema(
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
    assert dict(to_pairs(made, NormalisedInput({}, {"x": "7 days"})))["f:x:amount"] == "7"
    assert "whole number" in fault(made, ("f:x:amount", "1,5"), ("f:x:unit", "days"))
    both = ("f:x", "2026-11-24"), ("f:x:amount", "7"), ("f:x:unit", "days")
    assert "both a date and a span" in fault(made, *both)
    fixed = form(item("datepicker", "string"))
    assert sent(fixed, ("f:x:amount", "7")).custom == {}


@pytest.mark.parametrize(
    ("editor", "default", "value"),
    [
        ("requestList", [], [{"url": "a"}, {"url": " b "}]),
        ("requestList", ["q"], ["a", " b "]),
        ("stringList", [], ["a", " b "]),
        ("stringList", [{"keyword": "q"}], [{"keyword": "a"}, {"keyword": " b "}]),
    ],
)
def test_a_list_has_texts_or_objects_as_its_default_has(
    editor: str, default: list[Any], value: Any
) -> None:
    made = form(item(editor, "array", default=default))
    assert typed(made, "a\r\n\r\n b \r\n") == value
    for other in (["x", "y"], [{"k": "x"}]):
        shown = to_pairs(made, NormalisedInput({}, {"x": other}))
        assert "f:x:json" not in dict(shown)
        assert sent(made, *shown).custom == {"x": other}


# --- one control at a time ---------------------------------------------------------------------


def control(editor: str, type: str, **more: Any) -> FormField:
    return form(item(editor, type, **more)).fields["x"]


def show(field: FormField, value: Any) -> PostedTexts | None:
    return SHOW[field.kind](field, value)


def read(field: FormField, **posted: str) -> ReadValue:
    """The value of the control is ``value``, other suffixes have their own name."""
    texts = {"" if name == "value" else name: [text] for name, text in posted.items()}
    return READ[field.kind](field, texts)


@pytest.mark.parametrize("text", ["a\rb", "a\0", "\ud800"])
def test_text_that_a_browser_would_change_is_not_shown(text: str) -> None:
    for editor in ("input", "textarea"):
        assert show(control(editor, "string"), text) is None
    assert show(control("stringList", "array"), [text]) is None
    assert show(control("select", "string", options=COLOURS), text) is None
    assert not is_lossless(text)


def test_only_a_multi_line_control_shows_several_lines() -> None:
    assert show(control("textarea", "string"), "a\nb") == {"": ["a\nb"]}
    assert show(control("input", "string"), "a\nb") is None
    assert show(control("input", "string"), 5) is None
    assert one_line("名前 😀")


def test_a_number_control_shows_numbers_and_invalid_texts() -> None:
    field = control("number", "integer")
    assert show(field, 12345678901234567890123) == {"": ["12345678901234567890123"]}
    assert show(control("number", "number"), 2.5) == {"": ["2.5"]}
    assert show(field, "ten") == {"": ["ten"]}
    for value in ("12", " ", True, [1]):  # would come back as something else
        assert show(field, value) is None


def test_an_invalid_number_stays_as_typed() -> None:
    found = read(control("number", "integer", maximum=10), value="1,5")
    assert found.value == "1,5"
    assert found.problems[0].path == "custom.x"
    assert read(control("number", "integer", maximum=10), value="11").value == 11


def test_repeated_values_cannot_be_shown_as_choices() -> None:
    field = control("checkbox", "array", options=COLOURS)
    assert show(field, ["blue", "red"]) == {"": ["blue", "red"], "order": ['["blue","red"]']}
    assert show(field, ["red", "red"]) is None
    assert show(field, "red") is None


def test_choices_without_an_order_are_in_the_order_of_the_schema() -> None:
    field = control("checkbox", "array", options=["a", "b", "c"])
    sent = {"": ["new", "c", "a", "b", ""], "order": ['["b","gone"]']}
    found = READ[field.kind](field, sent)
    assert found.value == ["b", "a", "c", "new"]
    assert [problem.rule for problem in found.problems] == [
        'has no option "new"; choose one from the list'
    ]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", []), ('["b","a"]', ["b", "a"]), ("[1", []), ('{"a":1}', []), ('["a",1,"a",null]', ["a"])],
)
def test_an_invalid_order_has_no_tokens(text: str, tokens: list[str]) -> None:
    assert list(order_of(text)) == tokens


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("on", True), ("1", True), (" TRUE ", True), ("", False), ("off", False)],
)
def test_a_switch_accepts_the_values_of_clients(text: str, value: bool) -> None:
    assert read(control("switch", "boolean"), value=text).value is value


def test_a_switch_shows_only_true_and_false() -> None:
    field = control("switch", "boolean")
    assert (show(field, True), show(field, False)) == ({"": ["true"]}, {})
    assert show(field, "true") is None
    assert show(field, 1) is None


@pytest.mark.parametrize(
    ("sent", "value", "valid"),
    [
        ({"amount": " 7 ", "unit": "weeks"}, "7 weeks", True),
        ({"amount": "7"}, "7 days", True),
        ({"amount": "999999999", "unit": "days"}, "999999999 days", True),
        ({"amount": "1000000000", "unit": "days"}, "1000000000 days", False),
        ({"amount": "-1", "unit": "days"}, "-1 days", False),
        ({"amount": "٣", "unit": "days"}, "٣ days", False),
        ({"amount": "7", "unit": "moons"}, "7 moons", False),
    ],
)
def test_a_span_is_a_number_and_a_unit(sent: dict[str, str], value: str, valid: bool) -> None:
    found = read(control("datepicker", "string", format="YYYY-MM-DD|relative"), **sent)
    assert found.value == value
    assert (found.problems == ()) == valid


def test_a_date_control_shows_only_dates() -> None:
    field = control("datepicker", "string", format="DD/MM/YYYY")
    assert show(field, "24/11/2026") == {"": ["2026-11-24"]}
    assert show(field, "2026-11-24") == {"": ["2026-11-24"]}
    for value in ("tomorrow", "", 20261124, "7 days"):
        assert show(field, value) is None
    assert show(control("datepicker", "string", format="x"), "any") == {"": ["any"]}


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ([], {"": [""], "key": ["url"]}),
        (["a"], {"": ["a"], "key": [""]}),
        ([{"keyword": "a"}, {"keyword": "b"}], {"": ["a\nb"], "key": ["keyword"]}),
        ([{"a": "1"}, {"b": "1"}], None),
        ([{"": "1"}], None),
        ([{}], None),
        (["a", ""], None),
        ([["a"]], None),
        ("a", None),
    ],
)
def test_a_list_is_shown_as_lines_when_its_items_are_alike(
    value: Any, sent: PostedTexts | None
) -> None:
    assert show(control("requestList", "array"), value) == sent


def test_a_list_whose_key_a_form_would_change_is_shown_as_json() -> None:
    field = control("requestList", "array", default=[{"\0": "a"}])
    for value in ([], [{"\0": "a"}]):
        assert show(field, value) is None


def test_blank_json_is_not_a_value_and_invalid_json_stays_as_typed() -> None:
    field = control("json", "object")
    assert read(field, value=" \n").value is ABSENT
    found = read(field, value="{\n")
    assert found.value == "{\n"
    (problem,) = found.problems
    assert (problem.line, problem.line_column) == (2, 1)


def test_many_rows_with_many_options_are_fast() -> None:
    options = [{"label": f"l{n}", "value": n} for n in range(4000)]
    column = {"param": "kind", "type": "string", "editor": "select", "options": options}
    table = form(item("requestListSource", "array", param_list=[column]))
    pairs = [(f"f:x:{row}.kind", f"l{row % 4000}") for row in range(9000)]
    boxes = form(item("checkbox", "array", options=options))
    with no_hang():
        assert sent(table, *pairs).custom["x"][8999] == {"kind": 999}
        assert len(sent(boxes, *[("f:x", str(n)) for n in range(4000)]).custom["x"]) == 4000
