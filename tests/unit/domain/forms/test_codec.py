"""Values that a control cannot show or would change, and rows of a table."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.domain.forms import codec
from fyke.domain.forms.codec import broken_rules, decode, encode
from fyke.domain.forms.controls import ReadValue
from fyke.domain.forms.model import ABSENT, FormField, RunForm, pretty
from fyke.domain.forms.normalise import (
    MAX_BEYOND_FORM,
    JsonText,
    NormalisedInput,
    beyond_form,
    normalise,
    start_value,
    to_pairs,
)
from fyke.domain.forms.rows import MAX_ROWS, SHOWN_OPTIONS, SHOWN_ROWS
from fyke.domain.forms.tables import MAX_COLUMNS
from support.forms import COLOURS, fault, form, item, sent, typed


def test_an_unchanged_number_may_exceed_its_bounds() -> None:
    made = form(item("number", "integer", maximum=10))
    shown = to_pairs(made, NormalisedInput({}, {"x": 99}))
    assert not sent(made, *shown).errors
    changed = [(name, "98" if name == "f:x" else text) for name, text in shown]
    assert "at most 10" in fault(made, *changed)


def test_rules_of_the_form_that_a_value_breaks() -> None:
    def broken(value: Any, **options: Any) -> list[str]:
        made = form(item(**options))
        return [error.rule for error in broken_rules(made.fields["x"], value)]

    number: dict[str, Any] = {"editor": "number", "type": "integer", "maximum": 10}
    select: dict[str, Any] = {"editor": "select", "type": "string", "options": COLOURS}
    column = {"param": "n", "type": "integer", "editor": "number", "maximum": 10, "required": True}
    table: dict[str, Any] = {"editor": "requestListSource", "type": "array", "param_list": [column]}
    assert broken(99, **number) == ["must be at most 10; 99 is too large"]
    assert broken("green", **select) == ['has no option "green"; choose one from the list']
    assert broken([{"n": 99}, {"n": None}, {"n": 1}], **table) == [
        "must be at most 10; 99 is too large"
    ]
    for fine in (10, None, ABSENT, "99", {"a": 1}):
        assert broken(fine, **number) == []
    assert broken(99, **number, default=99) == [], "a new form has it"
    many = {**select, "editor": "multiselect", "type": "array"}
    assert broken(["green", "green", "red"], **many) == broken("green", **select)
    assert broken("green", **many) == [], "the form shows it as JSON"


def test_the_rules_of_a_table_that_is_too_large_to_show() -> None:
    column = {"param": "n", "type": "integer", "editor": "number", "maximum": 10}
    table = {"editor": "requestListSource", "type": "array", "param_list": [column]}
    made = form(item(**table))
    rows = [*[{"n": 1, "other": 2}, 5, {}] * SHOWN_ROWS, {"n": 99}]
    (broken,) = beyond_form(made, NormalisedInput({}, {"x": rows}))
    assert (broken.row, broken.rule) == (len(rows), "must be at most 10; 99 is too large")
    assert not beyond_form(made, NormalisedInput({}, {"x": [{"n": 1}] * MAX_ROWS + [{"n": 99}]}))
    all_broken = beyond_form(made, NormalisedInput({}, {"x": [{"n": 99}] * MAX_ROWS}))
    assert len(all_broken) == MAX_BEYOND_FORM


def test_line_ends_of_a_text_become_newlines() -> None:
    assert typed(form(item("textarea", "string")), "a\r\nb\r\n") == "a\nb\n"


def test_an_unknown_option_is_refused_when_typed_but_unchanged_when_stored() -> None:
    made = form(item("select", "string", options=COLOURS))
    assert 'no option "green"' in fault(made, ("f:x", "green"))
    shown = to_pairs(made, NormalisedInput({}, {"x": "green"}))
    assert sent(made, *shown) == NormalisedInput({}, {"x": "green"})


def test_a_date_in_another_format_is_unchanged() -> None:
    made = form(item("datepicker", "string", format="DD/MM/YYYY", default="2026-11-24"))
    shown = to_pairs(made, NormalisedInput({}, start_value(made)))
    assert ("f:x", "2026-11-24") in shown
    assert sent(made, *shown).custom == {"x": "2026-11-24"}


@pytest.mark.parametrize(
    "value", [[1, 2], ["a", {"url": "b"}], [{"url": "a", "n": 1}], ["a\nb"], "text", {"a": 1}]
)
def test_items_that_a_list_cannot_show_are_sent_as_json(value: Any) -> None:
    made = form(item("requestList", "array"))
    shown = to_pairs(made, NormalisedInput({}, {"x": value}))
    assert json.loads(dict(shown)["f:x:json"]) == value
    assert sent(made, *shown).custom == {"x": value}


@pytest.mark.parametrize(
    ("made", "name", "text"),
    [
        (form(item("json", "object")), "f:x", '{"a":'),
        (form(item("json", "object")), "f:x", "abc"),
        (form(item("json", "array")), "f:x", '[1,\n  "2'),
        (form(item("requestList", "array")), "f:x:json", '[{"url": '),
    ],
)
def test_unfinished_json_stays_as_it_was_typed_in_every_view(
    made: RunForm, name: str, text: str
) -> None:
    read = sent(made, (name, text))
    assert [error.path for error in read.errors] == ["custom.x"]
    for _ in range(2):  # to the view of JSON and back
        read = normalise(made, JsonText(pretty(read.custom)))
        shown = to_pairs(made, read)
        assert dict(shown)[name] == text
        assert "f:x:was" not in dict(shown)
        read = sent(made, *shown)
        assert "is not valid JSON" in read.errors[0].message
        assert (read.custom, len(read.errors)) == ({"x": text}, 1)


def test_a_text_that_is_json_itself_stays_a_text() -> None:
    made = form(item("json", "object"))
    shown = to_pairs(made, NormalisedInput({}, {"x": '{"a": 1}'}))
    assert sent(made, *shown).custom == {"x": '{"a": 1}'}


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


def test_an_error_in_a_row_names_row_and_column() -> None:
    read = sent(form(TABLE), ("f:x:0.depth", "2"), ("f:x:1.url", "b"), ("f:x:1.depth", "1,5"))
    assert [(e.row, e.column) for e in read.errors] == [(1, "url"), (2, "depth")]
    assert read.errors[0].message == (
        'field "x", row 1, "Address" is required; fill it in or remove the row'
    )


def test_pasted_columns_become_rows_with_and_without_titles() -> None:
    made = form(TABLE)
    rows = [{"url": "a", "depth": 1, "deep": False}, {"url": "b", "depth": 2, "deep": True}]
    assert sent(made, ("f:x:paste", "a\t1\r\nb\t2\ttrue\r\n")).custom == {"x": rows}
    assert sent(made, ("f:x:paste", "Depth\turl\tdeep\n1\ta\t\n2\tb\ttrue\n")).custom == {"x": rows}
    after = sent(made, ("f:x:0.url", "first"), ("f:x:paste", "a\t1"))
    assert [row["url"] for row in after.custom["x"]] == ["first", "a"]


# --- a field without its form ------------------------------------------------------------------


def field(made: RunForm) -> FormField:
    return made.fields["x"]


LINE = field(form(item("input", "string")))
SPAN = field(form(item("datepicker", "string", format="YYYY-MM-DD|relative")))
ROWS = field(form(TABLE))


@pytest.mark.parametrize("value", [None, ABSENT, "", "a", "a\nb", 5, ["a"]])
def test_a_field_is_decoded_to_the_encoded_value(value: Any) -> None:
    sent = encode(LINE, value)
    assert decode(LINE, sent).value == value
    assert ("json" in sent) == (value in ("a\nb", 5, ["a"]))


def test_only_a_value_that_the_control_would_change_is_also_sent_as_original() -> None:
    assert encode(LINE, "a") == {"": ["a"]}
    assert encode(LINE, ABSENT) == {}
    assert encode(LINE, None) == {"was": ["null"]}
    default = field(form(item("input", "string", default="Fyke")))
    assert encode(default, ABSENT) == {"was": ["-"]}


def test_the_original_is_used_only_while_the_control_is_unchanged() -> None:
    assert decode(LINE, {"": [""], "was": ["null"]}).value is None
    assert decode(LINE, {"": ["b"], "was": ["null"]}).value == "b"
    assert decode(LINE, {"": ["b"], "was": ["{"]}).value == "b"
    assert decode(LINE, {"": ["b"], "was": ["5"]}).value == "b"  # no line shows 5
    unit = {"": [""], "amount": [""], "unit": ["days"], "was": ["null"]}
    assert decode(SPAN, unit).value is None  # a unit alone changes nothing


def test_json_takes_precedence_over_the_control() -> None:
    assert decode(LINE, {"": ["a"], "json": ["[1]"], "was": ["null"]}).value == [1]
    found = decode(LINE, {"": ["a"], "json": ["[1"]})
    assert found.value == "[1"
    assert found.problems[0].rule.startswith("is not valid JSON: line 1")


@pytest.mark.parametrize(
    "rows",
    [
        "text",
        ["a"],
        [{"url": "a", "other": 1}],
        [{"url": "a\nb"}],
        [{"url": str(n)} for n in range(SHOWN_ROWS + 1)],
    ],
    ids=["no list", "no rows", "unknown column", "unshown cell", "too many"],
)
def test_rows_that_the_table_cannot_show_are_sent_as_json(rows: Any) -> None:
    sent = encode(ROWS, rows)
    assert list(sent) == ["json"]
    assert decode(ROWS, sent).value == rows


def test_a_table_with_too_many_options_in_all_is_sent_as_json() -> None:
    options = [str(number) for number in range(500)]
    column = {"param": "kind", "type": "string", "editor": "select", "options": options}
    table = form(item("requestListSource", "array", param_list=[column])).fields["x"]
    assert "json" not in encode(table, [{"kind": "1"}] * (SHOWN_OPTIONS // 500))
    rows = [{"kind": "1"}] * (SHOWN_OPTIONS // 500 + 1)
    assert encode(table, rows) == {"json": [pretty(rows)]}


def test_rows_are_decoded_with_exactly_their_members() -> None:
    rows = [{"url": "a"}, {"url": "b", "depth": None, "deep": False}, {"url": "c", "deep": True}]
    sent = encode(ROWS, rows)
    assert "json" not in sent
    assert decode(ROWS, sent).value == rows


def test_a_blank_row_has_no_error_and_an_invalid_paste_has_one() -> None:
    assert decode(ROWS, {"0.depth": [""], "1.deep": [""]}) == ReadValue([])
    wide = "\t".join("x" * (MAX_COLUMNS + 1))
    found = decode(ROWS, {"paste": [wide], "0.url": ["a"]})
    assert found.value == [{"url": "a", "deep": False}]
    assert [problem.message for problem in found.problems] == [
        'field "x": line 1 of the pasted text: more than 200 columns; remove those not needed'
    ]


def test_more_rows_than_allowed_are_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MAX_ROWS", 2)
    sent = {f"{n}.depth": ["x"] for n in range(2)}
    assert len(decode(ROWS, sent).problems) == 4  # of each row its depth and the missing url
    (problem,) = decode(ROWS, {**sent, "2.url": ["a"]}).problems
    assert problem.rule.startswith("must have at most 2 rows; give the rest as JSON")
