"""Findings about an ``input_schema.json`` by the documented rules, each with file and line.

Errors are exactly the cases in which ``input_schema.parse`` refuses a schema. Everything else is a
warning, because the original platform accepts such schemas. Regular expressions in a schema are
never compiled, references never followed.
"""

from __future__ import annotations

from typing import Any

from fyke.domain.workers import jsontext
from fyke.domain.workers.field_findings import check_field
from fyke.domain.workers.input_schema import FILE, NOT_JSON, is_number, names, type_of
from fyke.domain.workers.schema_report import ERROR, SchemaReport
from fyke.model.worker import Finding

BLOCKING = frozenset(
    {
        "input_schema_root_invalid",
        "input_schema_properties_invalid",
        "input_property_invalid",
        "input_property_missing_name",
        "input_property_duplicate_name",
    }
)

_ROOT_KEYS = frozenset({"properties", "description", "concurrency", "b"})
_MAX_LIMITS = 100
_MAX_PATTERN = 1000

Properties = dict[str, dict[str, Any]]


def check(text: str) -> list[Finding]:
    """Return all findings about the content of an ``input_schema.json``, in order of line."""
    try:
        document = jsontext.loads(text)
    except jsontext.BadJson as error:
        message = f"{NOT_JSON}: {error}"
        remedy = "correct the JSON at this line; an editor with JSON support shows the position"
        code = "input_schema_root_invalid"
        return [Finding(ERROR, code, FILE, error.line, message, remedy)]
    report = SchemaReport(FILE, text, BLOCKING)
    if isinstance(document, dict):
        _check_root(document, report)
    else:
        message = "the root of input_schema.json must be an object"
        report.add("input_schema_root_invalid", (), message, 'write {"properties": [...]}')
    return report.finish()


def _check_root(document: dict[str, Any], report: SchemaReport) -> None:
    for key in document.keys() - _ROOT_KEYS:
        remedy = f"remove it or spell it as one of {', '.join(sorted(_ROOT_KEYS))}"
        report.add("input_schema_unknown_root_key", (key,), f'the key "{key}" is ignored', remedy)
    properties = document.get("properties")
    if not isinstance(properties, list):
        message = "properties must be an array of field definitions"
        path = ("properties",)
        report.add("input_schema_properties_invalid", path, message, 'add "properties": []')
        return
    by_name = _check_properties(properties, report)
    if document.get("b") is not None:
        _check_legacy(document["b"], by_name, report)
    if document.get("concurrency") is not None:
        _check_concurrency(document["concurrency"], by_name, report)


def _check_properties(properties: list[Any], report: SchemaReport) -> Properties:
    by_name: Properties = {}
    for index, item in enumerate(properties):
        path = ("properties", index)
        if not isinstance(item, dict):
            message = f"properties[{index}] must be an object"
            remedy = 'write it as {"name": ..., "type": ..., "editor": ...}'
            report.add("input_property_invalid", path, message, remedy)
            continue
        name = item.get("name")
        if not isinstance(name, str) or not name.strip():
            message, remedy = f"properties[{index}] has no name", "give it a unique name"
            report.add("input_property_missing_name", path, message, remedy)
            continue
        if name in by_name:
            message = f'the name "{name}" is used by an earlier property'
            remedy = "rename one of the two; names must be unique"
            report.add("input_property_duplicate_name", (*path, "name"), message, remedy)
        by_name[name] = item
        if report.full:
            report.skip()
        else:
            check_field(item, path, report)
    _check_required(properties, report)
    return by_name


def _check_required(properties: list[Any], report: SchemaReport) -> None:
    """Report one finding for all properties without ``required``, because there can be many."""
    without = [
        (index, item["name"])
        for index, item in enumerate(properties)
        if isinstance(item, dict)
        and isinstance(item.get("name"), str)
        and item["name"].strip()
        and item.get("required") is None
    ]
    if without:
        names = ", ".join(f'"{name}"' for _, name in without)
        message = (
            f"{names} does not say whether it is required"
            if len(without) == 1
            else f"without required: {names}"
        )
        remedy = 'add "required": true or false; without it a property is optional'
        path = ("properties", without[0][0])
        report.add("input_property_missing_required", path, message, remedy)


def _check_legacy(b: object, by_name: Properties, report: SchemaReport) -> None:
    path, remedy = ("b",), "name one array property, or remove b"
    if not isinstance(b, str):
        report.add("input_schema_b_invalid", path, "b must be the name of a property", remedy)
    elif b.strip() and b.strip() not in by_name:
        message = f'b names "{b.strip()}", which is not a property'
        report.add("input_schema_b_missing_property", path, message, remedy)
    elif b.strip() and type_of(by_name[b.strip()]) != "array":
        message = f'b names "{b.strip()}", which is not an array: such a run is not split'
        report.add("input_schema_b_not_array", path, message, remedy)


def _check_concurrency(value: object, by_name: Properties, report: SchemaReport) -> None:
    path = ("concurrency",)
    if not isinstance(value, dict):
        message, remedy = "concurrency must be an object", 'write {"fields": ["..."]}'
        report.add("input_schema_concurrency_invalid", path, message, remedy)
        return
    _check_split_fields(value.get("fields"), by_name, report)
    fields = frozenset(names(value.get("fields")))
    _check_remove_fields(value.get("remove_fields"), fields, report)
    if value.get("limits") is not None:
        _check_limits(value["limits"], fields, report)


def _check_split_fields(value: object, by_name: Properties, report: SchemaReport) -> None:
    path = ("concurrency", "fields")
    if not names(value):
        message = "concurrency fields must have at least one field"
        remedy = "name at least one array property in fields, or remove concurrency"
        report.add("input_schema_concurrency_fields_invalid", path, message, remedy)
    for index, item in enumerate(value if isinstance(value, list) else []):
        at = (*path, index)
        if not isinstance(item, str) or not item.strip():
            message, remedy = f"concurrency.fields[{index}] is ignored", "name a property"
            report.add("input_schema_concurrency_field_invalid", at, message, remedy)
        elif item.strip() not in by_name:
            message = f'concurrency.fields names "{item.strip()}", which is not a property'
            code = "input_schema_concurrency_field_missing_property"
            report.add(code, at, message, "add the property or correct the name")
        elif type_of(by_name[item.strip()]) != "array":
            message = f'"{item.strip()}" is not an array, so no run is split by it'
            code = "input_schema_concurrency_field_not_array"
            report.add(code, at, message, "declare the property with type array")


def _check_remove_fields(value: object, fields: frozenset[str], report: SchemaReport) -> None:
    path = ("concurrency", "remove_fields")
    if value is None:
        return
    if not isinstance(value, list):
        message, remedy = "concurrency.remove_fields must be an array", "write [] or remove it"
        report.add("input_schema_concurrency_remove_fields_invalid", path, message, remedy)
        return
    for index, item in enumerate(value):
        at = (*path, index)
        if not isinstance(item, str) or not item.strip():
            message = f"concurrency.remove_fields[{index}] is ignored"
            code = "input_schema_concurrency_remove_field_invalid"
            report.add(code, at, message, "name one of concurrency.fields")
        elif item.strip() not in fields:
            message = f'"{item.strip()}" is ignored: it is not in concurrency.fields'
            code = "input_schema_concurrency_remove_field_not_in_fields"
            report.add(code, at, message, "add it to fields or remove it here")


def _check_limits(value: object, fields: frozenset[str], report: SchemaReport) -> None:
    code, path = "input_schema_concurrency_limits_invalid", ("concurrency", "limits")
    if not isinstance(value, list):
        report.add(code, path, "concurrency.limits must be an array", "write [] or remove it")
        return
    if len(value) > _MAX_LIMITS:
        message = f"concurrency.limits has {len(value):,} entries, at most {_MAX_LIMITS} count"
        report.add(code, path, message, "join or remove some")
    for index, item in enumerate(value[:_MAX_LIMITS]):
        problem, remedy = _limit_problem(item, fields)
        if problem:
            report.add(code, (*path, index), problem, remedy)


def _limit_problem(item: object, fields: frozenset[str]) -> tuple[str, str]:
    """Return the problem of an entry of ``limits`` and its remedy, ``""`` for a valid one."""
    rule = item if isinstance(item, dict) else {}
    field, maximum, pattern = rule.get("field"), rule.get("max"), rule.get("regex")
    if not isinstance(field, str) or not field.strip():
        return "limits.field is required", "name one of concurrency.fields"
    if field.strip() not in fields:
        message = f"limits.field {field.strip()} is not in concurrency.fields"
        return message, "name one of concurrency.fields"
    if not is_number(maximum) or maximum <= 0:
        return "limits.max must be greater than 0", "give a positive number"
    if pattern is not None and (not isinstance(pattern, str) or len(pattern) > _MAX_PATTERN):
        remedy = f"write an expression of at most {_MAX_PATTERN:,} characters or remove it"
        return "limits.regex invalid", remedy
    return "", ""
