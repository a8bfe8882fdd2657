"""Every code of the findings at least once, with its line and severity."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.domain.workers import output_schema
from fyke.domain.workers.input_findings import BLOCKING, check
from fyke.domain.workers.input_schema import parse
from fyke.domain.workers.jsontext import Lines
from fyke.domain.workers.schema_report import MAX_FINDINGS
from fyke.errors import InvalidRequest
from support.hangs import no_hang

GOOD = {
    "name": "a",
    "title": "A",
    "type": "array",
    "editor": "stringList",
    "description": "d",
    "required": True,
    "default": ["x"],
}


def field(**changes: Any) -> dict[str, Any]:
    return {k: v for k, v in (GOOD | changes).items() if v != "absent"}


def number(**changes: Any) -> dict[str, Any]:
    return field(type="integer", editor="number", **({"default": 1} | changes))


def date(**changes: Any) -> dict[str, Any]:
    return field(type="string", editor="datepicker", **({"default": "2026-11-27"} | changes))


def choice(**changes: Any) -> dict[str, Any]:
    options = [{"label": "X", "value": "x"}]
    return field(
        **({"type": "string", "editor": "select", "options": options, "default": "x"} | changes)
    )


def rows(params: Any = None, **changes: Any) -> dict[str, Any]:
    columns = [{"param": "p", "title": "P"}] if params is None else params
    return field(
        **(
            {"editor": "requestListSource", "param_list": columns, "default": [{"p": "1"}]}
            | changes
        )
    )


def schema(*fields: Any, **root: Any) -> Any:
    return {"properties": list(fields) or [GOOD], **root}


def split(**concurrency: Any) -> Any:
    return schema(
        GOOD, field(name="s", type="string", editor="input", default="x"), concurrency=concurrency
    )


CASES: list[tuple[str, Any]] = [
    ("input_schema_root_invalid", []),
    ("input_schema_properties_invalid", {}),
    ("input_schema_properties_invalid", {"properties": {}}),
    ("input_schema_unknown_root_key", schema(title="x")),
    ("input_schema_b_invalid", schema(b=1)),
    ("input_schema_b_missing_property", schema(b="z")),
    ("input_schema_b_not_array", schema(number(), b="a")),
    ("input_property_invalid", schema(1)),
    ("input_property_missing_name", schema(field(name="absent"))),
    ("input_property_missing_name", schema(field(name=" "))),
    ("input_property_name_invalid", schema(field(name="1 a"))),
    ("input_property_duplicate_name", schema(GOOD, GOOD)),
    ("input_property_required_invalid", schema(field(required="yes"))),
    ("input_property_unsupported_type", schema(field(type="list"))),
    ("input_property_unsupported_type", schema(field(type=["array"]))),
    ("input_property_unsupported_editor", schema(field(editor="text"))),
    ("input_property_unsupported_editor", schema(field(editor={"a": 1}))),
    ("input_property_missing_title", schema(field(title="absent"))),
    ("input_property_missing_editor", schema(field(editor="absent"))),
    ("input_property_missing_description", schema(field(description="absent"))),
    ("input_property_missing_required", schema(field(required="absent"))),
    ("input_editor_type_mismatch", schema(field(editor="input"))),
    ("input_required_missing_default", schema(field(default="absent"))),
    ("input_selector_missing_options", schema(choice(options="absent"))),
    ("input_selector_option_invalid", schema(choice(options=[{"label": "X", "value": "x"}, "y"]))),
    ("input_select_multiple_invalid", schema(choice(multiple="yes"))),
    ("input_select_multiple_editor_mismatch", schema(field(multiple=True))),
    ("input_section_metadata_invalid", schema(field(sectionCaption=1))),
    ("input_section_metadata_invalid", schema(field(sectionDescription=" "))),
    ("input_numeric_bound_invalid", schema(number(minimum="1"))),
    ("input_numeric_bound_invalid", schema(field(maximum=1))),
    (
        "input_numeric_bound_invalid",
        schema(number(minimum=5, maximum=0, default="absent", required=False)),
    ),
    ("input_date_format_invalid", schema(date(format="DD/MM/YYYY DD"))),
    ("input_date_format_invalid", schema(date(valueFormat="YYYY-MD"))),
    ("input_date_format_invalid", schema(date(format=5))),
    ("input_date_format_invalid", schema(date(format="Y" * 101))),
    (
        "input_param_date_format_invalid",
        schema(rows([{"param": "p", "title": "P", "editor": "datepicker", "format": "MMMM"}])),
    ),
    ("input_default_type_mismatch", schema(field(default="x"))),
    ("input_default_list_item_invalid", schema(field(default=[["x"]]))),
    ("input_default_list_item_invalid", schema(rows(default=["x"]))),
    ("input_default_param_missing", schema(rows([{"param": "q", "title": "Q", "required": True}]))),
    (
        "input_default_param_type_mismatch",
        schema(rows([{"param": "p", "title": "P", "type": "integer"}])),
    ),
    ("input_default_option_not_declared", schema(choice(default="z"))),
    ("input_default_bound_mismatch", schema(number(minimum=2))),
    ("input_default_bound_mismatch", schema(number(maximum=0))),
    ("input_param_list_invalid", schema(rows([]))),
    ("input_param_missing_name", schema(rows([1]))),
    (
        "input_param_duplicate_name",
        schema(rows([{"param": "p", "title": "P"}, {"name": "p", "title": "P"}])),
    ),
    ("input_param_missing_title", schema(rows([{"param": "p"}]))),
    ("input_param_required_invalid", schema(rows([{"param": "p", "title": "P", "required": 1}]))),
    ("input_param_unsupported_type", schema(rows([{"param": "p", "title": "P", "type": "x"}]))),
    (
        "input_param_unsupported_editor",
        schema(rows([{"param": "p", "title": "P", "editor": "json"}])),
    ),
    (
        "input_param_numeric_bound_invalid",
        schema(rows([{"param": "p", "title": "P", "minimum": "x"}])),
    ),
    ("input_max_results_naming_convention", schema(number(name="max_items"))),
    ("input_max_results_naming_convention", schema(number(name="limit"))),
    ("input_schema_concurrency_invalid", schema(concurrency=[])),
    ("input_schema_concurrency_fields_invalid", split(fields=[])),
    ("input_schema_concurrency_fields_invalid", split(fields="a")),
    ("input_schema_concurrency_field_invalid", split(fields=["a", " "])),
    ("input_schema_concurrency_field_missing_property", split(fields=["a", "z"])),
    ("input_schema_concurrency_field_not_array", split(fields=["a", "s"])),
    ("input_schema_concurrency_remove_fields_invalid", split(fields=["a"], remove_fields="a")),
    ("input_schema_concurrency_remove_field_invalid", split(fields=["a"], remove_fields=[1])),
    (
        "input_schema_concurrency_remove_field_not_in_fields",
        split(fields=["a"], remove_fields=["s"]),
    ),
    ("input_schema_concurrency_limits_invalid", split(fields=["a"], limits={})),
]


@pytest.mark.parametrize(("code", "document"), CASES)
def test_every_code_is_reported_with_line_and_severity(code: str, document: Any) -> None:
    found = check(json.dumps(document, indent=1))
    assert code in {finding.code for finding in found}
    for finding in found:
        assert finding.file == "input_schema.json"
        assert finding.line >= 1
        assert finding.message and finding.remedy
        assert (finding.severity == "error") == (finding.code in BLOCKING)


@pytest.mark.parametrize(("code", "document"), CASES)
def test_errors_are_found_exactly_where_parse_refuses(code: str, document: Any) -> None:
    text = json.dumps(document)
    if any(finding.severity == "error" for finding in check(text)):
        with pytest.raises(InvalidRequest):
            parse(text)
    else:
        names = [item["name"] for item in document["properties"]]
        assert [field.name for field in parse(text).fields] == names


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        ({}, "limits.field is required"),
        ("x", "limits.field is required"),
        ({"field": "z", "max": 1}, "limits.field z is not in concurrency.fields"),
        ({"field": "a"}, "limits.max must be greater than 0"),
        ({"field": "a", "max": 0}, "limits.max must be greater than 0"),
        ({"field": "a", "max": 1, "regex": "x" * 2000}, "limits.regex invalid"),
        ({"field": "a", "max": 1, "regex": 5}, "limits.regex invalid"),
    ],
)
def test_invalid_limits_are_reported(limit: Any, text: str) -> None:
    assert text in {
        finding.message for finding in check(json.dumps(split(fields=["a"], limits=[limit])))
    }


def test_at_most_a_hundred_limits_are_checked() -> None:
    found = check(json.dumps(split(fields=["a"], limits=[{"field": "a", "max": 0}] * 101)))
    messages = [finding.message for finding in found]
    assert messages.count("concurrency.limits has 101 entries, at most 100 count") == 1
    assert messages.count("limits.max must be greater than 0") == 100


def test_an_expression_is_not_compiled() -> None:
    slow = "(?i)" + "[\x02-\U0010fffe]" * 198  # 0.7 s of CPU to compile
    limits = [{"field": "a", "max": 1, "regex": f"{slow}{n:02}"} for n in range(20)]
    text = json.dumps(split(fields=["a"], limits=limits), ensure_ascii=False)
    with no_hang():
        assert "limits.regex invalid" not in {finding.message for finding in check(text)}


def test_missing_split_fields_have_the_documented_message() -> None:
    messages = {finding.message for finding in check(json.dumps(split(fields=[" "])))}
    assert "concurrency fields must have at least one field" in messages


DATES = (
    date(name="d1", format="DD/MM/YYYY|relative", valueFormat="YYYYMMDD"),
    date(name="d2", format="D.M.YYYY HH:mm"),
    date(name="d3", format="%d-%m-%Y"),
    date(name="d4", format="relative"),
)


def test_valid_schemas_have_no_findings() -> None:
    multiple = choice(name="m", type="array", multiple=True, default=["x"])
    text = json.dumps(
        schema(GOOD, multiple, number(name="max_results"), rows(name="r"), *DATES, b="a")
    )
    assert check(text) == []
    limits = [{"field": "a", "max": 3, "regex": "^a+$"}]
    text = json.dumps(
        schema(GOOD, description="d", concurrency={"fields": ["a"], "limits": limits})
    )
    assert check(text) == []


def test_findings_have_the_line_of_the_invalid_value() -> None:
    text = (
        '\ufeff{\n "properties": [\n  {"name": "a",\n   "type": "odd",\n   "editor": "no"},\n'
        '  {}\n ],\n "b": "z"\n}'
    )
    lines = {finding.code: finding.line for finding in check(text)}
    assert lines["input_property_unsupported_type"] == 4
    assert lines["input_property_unsupported_editor"] == 5
    assert lines["input_property_missing_title"] == 3
    assert lines["input_property_missing_name"] == 6
    assert lines["input_schema_b_missing_property"] == 8
    assert Lines(text).line_of("properties", 0, "nothing", "deep") == 3
    assert check('{\n "properties": [\n}')[0].line == 3


def test_the_number_of_findings_is_limited() -> None:
    found = check(json.dumps(schema(*({"name": f"f{n}"} for n in range(300)))))
    assert len(found) == MAX_FINDINGS + 1
    assert found[-1].code == "findings_cut"


# --- hostile schemas ---------------------------------------------------------------------------

MANY = [{"value": n} for n in range(4_900)]
REGEX = "(a+)+$" * 100
HOSTILE = [
    "[" * 240_000,
    '{"a":' * 80_000,
    "[" * 240_000 + "]" * 240_000,
    '{"properties": [' + "[" * 40 + "]" * 40 + "]}",
    '{"properties": [' + "1," * 60_000 + "1]}",
    json.dumps(schema(*({"name": "x" * 300_000} for _ in range(1)))),
    json.dumps(schema(*({"name": f"{n}"} for n in range(9_900)))),
    json.dumps(schema(*({"name": "same"} for _ in range(9_900)))),
    json.dumps(schema(choice(options=list(range(19_000))))),
    json.dumps(schema(choice(type="array", multiple=True, default=[*range(9_000)], options=MANY))),
    json.dumps(schema(rows([{"param": f"p{n}"} for n in range(6_000)], default=[{}] * 7_000))),
    json.dumps(split(fields=[f"f{n}" for n in range(9_000)], remove_fields=[*map(str, MANY)])),
    json.dumps(split(fields=["a"], limits=[{"field": "a", "max": 1, "regex": REGEX}] * 1_000)),
    json.dumps(schema(field(**{"$ref": "http://127.0.0.1:9/x", "pattern": "(a+)+$"}))),
    '{"properties": [{"name": "a", "minimum": 1' + "0" * 100_000 + "}]}",
    '{"properties": [{"name": "a", "minimum": 1e999}]}',
    '{"properties": NaN}',
    '{"properties": [{"name": "\\ud800"}]}',
    "\\" * 100_000,
    '"' + "\\u0041" * 80_000,
    " " * 600_000,
    "\u20ac" * 400_000,
    "",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_schemas_are_checked_in_bounded_time(text: str) -> None:
    with no_hang():
        found = check(text)
        try:
            parse(text)
        except InvalidRequest:
            assert any(finding.severity == "error" for finding in found)
        output_schema.check(text)
    assert sum(len(finding.message) for finding in found) < 16_000 * 320
