"""Findings about one property of an input schema, and their lines."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.domain.workers.field_findings import EDITORS, check_field
from fyke.domain.workers.input_schema import TYPES
from fyke.domain.workers.schema_report import SchemaReport
from fyke.model.worker import Finding

VALID = {"name": "x", "title": "X", "description": "d", "required": False}
OPTIONS = [{"label": "A", "value": "a"}, {"label": "One", "value": 1}]


def findings(**item: Any) -> list[Finding]:
    whole = VALID | item
    report = SchemaReport("input_schema.json", json.dumps({"properties": [whole]}), frozenset())
    check_field(whole, ("properties", 0), report)
    return report.findings


def codes(**item: Any) -> list[str]:
    """The codes of the findings without their common prefix."""
    return [finding.code.removeprefix("input_") for finding in findings(**item)]


def rows(*params: Any, **item: Any) -> list[str]:
    return codes(editor="requestListSource", type="array", param_list=list(params), **item)


@pytest.mark.parametrize("editor", sorted(EDITORS))
@pytest.mark.parametrize("type", TYPES)
def test_an_editor_fits_only_its_types(editor: str, type: str) -> None:
    more = {"options": OPTIONS} if editor in ("select", "radio", "checkbox") else {}
    if editor == "requestListSource":
        more = {"param_list": [{"param": "p", "title": "P"}]}
    fits = type in EDITORS[editor] or (editor, type) == ("select", "array")
    assert codes(editor=editor, type=type, **more) == ([] if fits else ["editor_type_mismatch"])


def test_a_finding_has_the_line_of_the_invalid_member() -> None:
    text = '{"properties": [{\n"name": "x",\n"type": "list",\n"editor": "magic"}]}'
    report = SchemaReport("input_schema.json", text, frozenset())
    check_field(json.loads(text)["properties"][0], ("properties", 0), report)
    lines = {finding.code: finding.line for finding in report.findings}
    assert lines["input_property_unsupported_type"] == 3
    assert lines["input_property_unsupported_editor"] == 4
    assert lines["input_property_missing_title"] == 1


@pytest.mark.parametrize(
    ("name", "valid"), [("a", True), ("_a.b-9", True), ("9a", False), ("a b", False), ("é", False)]
)
def test_a_name_that_clients_may_refuse_is_reported(name: str, valid: bool) -> None:
    found = codes(name=name, editor="input", type="string")
    assert found == ([] if valid else ["property_name_invalid"])


def test_required_is_a_boolean_and_needs_a_default() -> None:
    text = {"editor": "input", "type": "string"}
    assert codes(**text, required=True) == ["required_missing_default"]
    assert codes(**text, required=True, default="a") == []
    assert codes(**text, required="yes") == ["property_required_invalid"]
    assert codes(**text, required=1) == ["property_required_invalid"]


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({}, ["selector_missing_options"]),
        ({"options": []}, ["selector_missing_options"]),
        ({"options": "a"}, ["selector_missing_options"]),
        ({"options": [*OPTIONS, {"value": 1}]}, ["selector_option_invalid"]),
        ({"options": [{"label": "B"}, "c"]}, ["selector_option_invalid"] * 2),
        ({"options": OPTIONS, "multiple": True}, []),
        ({"options": OPTIONS, "multiple": 1}, ["select_multiple_invalid"]),
    ],
)
def test_a_selector_has_options_with_label_and_value(more: Any, found: list[str]) -> None:
    assert codes(editor="select", type="string", **more) == found


def test_multiple_works_only_with_select() -> None:
    radio = {"editor": "radio", "type": "string", "options": OPTIONS}
    assert codes(**radio, multiple=False) == []
    assert codes(**radio, multiple=True) == ["select_multiple_editor_mismatch"]


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"minimum": 1, "maximum": 1}, []),
        ({"minimum": 0.5}, []),
        ({"minimum": 2, "maximum": 1}, ["numeric_bound_invalid"]),
        ({"minimum": "1", "maximum": True}, ["numeric_bound_invalid"] * 2),
        ({"minimum": 1, "default": 1}, []),
        ({"minimum": 1, "default": 0}, ["default_bound_mismatch"]),
        ({"maximum": 1, "default": 1.5}, ["default_bound_mismatch"]),
        ({"minimum": 1, "default": "1"}, ["default_type_mismatch"]),
    ],
)
def test_invalid_bounds_are_reported(more: Any, found: list[str]) -> None:
    assert codes(editor="number", type="number", **more) == found


def test_text_has_no_bounds() -> None:
    found = codes(editor="input", type="string", minimum=1, maximum=2)
    assert found == ["numeric_bound_invalid"] * 2


@pytest.mark.parametrize("name", ["limit", "max", "maxItems", "num_records", "results_max"])
def test_a_limit_of_the_results_should_be_called_max_results(name: str) -> None:
    assert codes(name=name, editor="number", type="integer") == ["max_results_naming_convention"]
    assert codes(name=name, editor="input", type="string") == []


@pytest.mark.parametrize("name", ["max_results", "max_depth", "limits", "number", "rate_limit"])
def test_other_numbers_may_have_any_name(name: str) -> None:
    assert codes(name=name, editor="number", type="integer") == []


def test_invalid_columns_of_rows_are_reported() -> None:
    assert rows({"param": "a", "title": "A", "editor": "select", "type": "string"}) == []
    assert rows({"title": "A"}, "b") == ["param_missing_name"] * 2
    assert rows({"param": "a", "title": "A"}, {"name": "a", "title": "A"}) == [
        "param_duplicate_name"
    ]
    assert rows({"param": "a", "title": " "}) == ["param_missing_title"]
    more = {"required": 1, "type": "list", "editor": "stringList", "minimum": "1"}
    assert rows({"param": "a", "title": "A", **more}) == [
        "param_required_invalid",
        "param_unsupported_type",
        "param_unsupported_editor",
        "param_numeric_bound_invalid",
    ]
    assert rows() == ["param_list_invalid"]


@pytest.mark.parametrize(
    ("default", "found"),
    [
        ([{"url": "a"}], []),
        ([{"url": "a", "depth": 1, "other": []}], []),
        ([{"url": ""}], ["default_param_missing"]),
        ([{}], ["default_param_missing"]),
        ([{"url": "a", "depth": "1"}], ["default_param_type_mismatch"]),
        (["a", None, [1]], ["default_list_item_invalid"] * 3),
    ],
)
def test_default_rows_that_do_not_fit_their_columns_are_reported(
    default: Any, found: list[str]
) -> None:
    params = (
        {"param": "url", "title": "U", "required": True, "type": "string"},
        {"param": "depth", "title": "D", "type": "integer"},
        {"title": "no name"},
    )
    assert [code for code in rows(*params, default=default) if "default" in code] == found


def test_default_items_of_other_lists_are_texts_or_objects() -> None:
    default = ["a", {"url": "b"}, None, ["c"]]
    assert (
        codes(editor="stringList", type="array", default=default)
        == ["default_list_item_invalid"] * 2
    )


@pytest.mark.parametrize(
    ("editor", "type", "default", "found"),
    [
        ("select", "string", "a", 0),
        ("select", "string", "b", 1),
        ("select", "integer", 1, 0),
        ("checkbox", "array", ["a", 1], 0),
        ("checkbox", "array", ["b", "a", "1"], 2),
        ("input", "string", "b", 0),
    ],
)
def test_a_default_outside_the_options_is_reported(
    editor: str, type: str, default: Any, found: int
) -> None:
    item = {"editor": editor, "type": type, "options": OPTIONS, "default": default}
    assert codes(**item) == ["default_option_not_declared"] * found


def test_captions_of_sections_must_be_text() -> None:
    text = {"editor": "input", "type": "string"}
    assert codes(**text, sectionCaption="More", sectionDescription="Words") == []
    assert (
        codes(**text, sectionCaption=" ", sectionDescription=5) == ["section_metadata_invalid"] * 2
    )


def test_date_formats_are_checked_for_date_pickers() -> None:
    formats = {"type": "string", "format": "DD/MM/YYYY DD", "valueFormat": "YYYY-MM-DD"}
    (finding,) = findings(editor="datepicker", **formats)
    assert finding.code == "input_date_format_invalid"
    assert "format" in finding.message
    assert finding.remedy == "write each part once, with separators, such as YYYY-MM-DD"
    assert codes(editor="input", **formats) == []
