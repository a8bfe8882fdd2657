"""Findings about one property of an input schema: its members, its options, its default."""

from __future__ import annotations

import re
from typing import Any

from fyke.domain.workers import date_formats
from fyke.domain.workers.input_schema import (
    TYPES,
    is_number,
    json_type,
    param_name,
    text_of,
    type_of,
)
from fyke.domain.workers.input_values import matches
from fyke.domain.workers.schema_report import SchemaReport

Path = tuple[str | int, ...]
Item = dict[str, Any]

EDITORS: dict[str, tuple[str, ...]] = {
    "input": ("string", "integer", "number"),
    "textarea": ("string",),
    "number": ("integer", "number"),
    "select": ("string", "integer"),
    "radio": ("string", "integer"),
    "checkbox": ("array",),
    "switch": ("boolean",),
    "datepicker": ("string",),
    "requestList": ("array",),
    "requestListSource": ("array",),
    "stringList": ("array",),
    "json": ("object",),
}
_PARAM_EDITORS = frozenset(EDITORS) - {"requestList", "requestListSource", "stringList", "json"}
_SELECTORS = frozenset({"select", "radio", "checkbox"})
_MAX_ENTRIES = 100  # of a default list; each is compared with every param
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_LIMITER = re.compile(
    r"(max|limit|num)_?(items?|results?|count|rows|records|num|number)?|"
    r"(items?|results?|rows|records)_?(limit|max)|maxresults",
    re.IGNORECASE,
)


def check_field(item: Item, path: Path, report: SchemaReport) -> None:
    """Add every finding about one property that has a name."""
    _check_basics(item, path, report)
    _check_kind(item, path, report)
    _check_choices(item, path, report)
    _check_section(item, path, report)
    check_bounds(item, path, "input", report)
    _check_dates(item, path, "input", report)
    _check_limiter_name(item, path, report)
    if item.get("editor") == "requestListSource" or item.get("param_list") is not None:
        _check_params(item, path, report)
    if item.get("default") is not None:
        _check_default(item, path, report)


def _check_basics(item: Item, path: Path, report: SchemaReport) -> None:
    name = item["name"]
    if not _NAME.fullmatch(name):
        message = f'the name "{name}" may be refused by clients'
        remedy = "use letters, digits and _ only, not beginning with a digit"
        report.add("input_property_name_invalid", (*path, "name"), message, remedy)
    for key in ("title", "editor", "description"):
        if item.get(key) is None:
            message, remedy = f'"{name}" has no {key}', f'add "{key}"'
            report.add(f"input_property_missing_{key}", path, message, remedy)
    required = item.get("required")
    if required is not None and not isinstance(required, bool):
        message = f'"{name}": required is neither true nor false and counts as false'
        at = (*path, "required")
        report.add("input_property_required_invalid", at, message, "write true or false")
    if required is True and item.get("default") is None:
        message = f'"{name}" is required and has no default to fill the form with'
        remedy = "add a default that makes a good first run"
        report.add("input_required_missing_default", path, message, remedy)


def _check_kind(item: Item, path: Path, report: SchemaReport) -> None:
    name, kind, editor = item["name"], item.get("type"), item.get("editor")
    if kind is not None and kind not in TYPES:
        message, remedy = f'"{name}": unknown type {kind!r}', f"use one of {', '.join(TYPES)}"
        report.add("input_property_unsupported_type", (*path, "type"), message, remedy)
    if editor is None:
        return
    if not isinstance(editor, str) or editor not in EDITORS:
        message = f'"{name}": unknown editor {editor!r}, no control is shown for it'
        remedy = f"use one of {', '.join(EDITORS)}"
        report.add("input_property_unsupported_editor", (*path, "editor"), message, remedy)
        return
    allowed = (*EDITORS[editor], "array") if editor == "select" else EDITORS[editor]
    if kind in TYPES and kind not in allowed:
        message = f'"{name}": the editor {editor} does not fit the type {kind}'
        remedy = f"use type {' or '.join(EDITORS[editor])}, or another editor"
        report.add("input_editor_type_mismatch", (*path, "editor"), message, remedy)


def _check_choices(item: Item, path: Path, report: SchemaReport) -> None:
    name, editor, options = item["name"], text_of(item.get("editor")), item.get("options")
    if editor in _SELECTORS and (not isinstance(options, list) or not options):
        message = f'"{name}" has no options to choose from'
        remedy = 'add "options": [{"label": ..., "value": ...}]'
        report.add("input_selector_missing_options", path, message, remedy)
    for index, option in enumerate(options if isinstance(options, list) else []):
        if not isinstance(option, dict) or "value" not in option or "label" not in option:
            message = f'"{name}": options[{index}] must have a label and a value'
            at = (*path, "options", index)
            remedy = 'write {"label": ..., "value": ...}'
            report.add("input_selector_option_invalid", at, message, remedy)
    multiple = item.get("multiple")
    at = (*path, "multiple")
    if multiple is not None and not isinstance(multiple, bool):
        message = f'"{name}": multiple must be true or false'
        report.add("input_select_multiple_invalid", at, message, "write true or false")
    elif multiple is True and editor != "select":
        message = f'"{name}": multiple only works with the editor select'
        remedy = "use the editor select, or remove multiple"
        report.add("input_select_multiple_editor_mismatch", at, message, remedy)


def _check_section(item: Item, path: Path, report: SchemaReport) -> None:
    for key in ("sectionCaption", "sectionDescription"):
        value = item.get(key)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            message, remedy = f'"{item["name"]}": {key} must be text', "give it text or remove it"
            report.add("input_section_metadata_invalid", (*path, key), message, remedy)


def check_bounds(item: Item, path: Path, prefix: str, report: SchemaReport) -> None:
    """Report bounds that are not numbers, contradict each other, or belong to a field without
    numbers."""
    name = item.get("name") or item.get("param")
    minimum, maximum = item.get("minimum"), item.get("maximum")
    code = f"{prefix}_numeric_bound_invalid"
    for key, value in (("minimum", minimum), ("maximum", maximum)):
        if value is not None and not is_number(value):
            report.add(code, (*path, key), f'"{name}": {key} must be a number', "write a number")
        elif value is not None and type_of(item) not in ("integer", "number", ""):
            message = f'"{name}": {key} only works with numbers'
            report.add(code, (*path, key), message, f"remove {key}, or use type integer")
    if is_number(minimum) and is_number(maximum) and minimum > maximum:
        message, remedy = f'"{name}": minimum is above maximum', "swap or correct them"
        report.add(code, (*path, "minimum"), message, remedy)


def _check_dates(item: Item, path: Path, prefix: str, report: SchemaReport) -> None:
    """Report date formats that the form does not use."""
    if item.get("editor") != "datepicker":
        return
    name = item.get("name") or item.get("param")
    for key in ("format", "valueFormat"):
        problem = date_formats.format_problem(item[key]) if item.get(key) is not None else ""
        if problem:
            message = f'"{name}": {key} {problem}, so it is not used'
            remedy = f"write each part once, with separators, such as {date_formats.DEFAULT}"
            report.add(f"{prefix}_date_format_invalid", (*path, key), message, remedy)


def _check_limiter_name(item: Item, path: Path, report: SchemaReport) -> None:
    name = item["name"]
    numeric = type_of(item) in ("integer", "number")
    if numeric and name != "max_results" and _LIMITER.fullmatch(name):
        message = f'"{name}" seems to limit the results; by convention that is max_results'
        remedy = "rename it to max_results if it does"
        at = (*path, "name")
        report.add("input_max_results_naming_convention", at, message, remedy)


def _check_params(item: Item, path: Path, report: SchemaReport) -> None:
    params, at = item.get("param_list"), (*path, "param_list")
    if not isinstance(params, list) or not params:
        message = f'"{item["name"]}" needs a param_list that describes its rows'
        remedy = 'add "param_list": [{"param": ..., "title": ...}]'
        report.add("input_param_list_invalid", at, message, remedy)
        return
    seen: set[str] = set()
    for index, param in enumerate(params):
        _check_param(param, (*at, index), seen, report)


def _check_param(param: object, path: Path, seen: set[str], report: SchemaReport) -> None:
    name = param_name(param)
    if not isinstance(param, dict) or not name:
        message = "an entry of param_list needs a name in param"
        report.add("input_param_missing_name", path, message, 'write {"param": ..., "title": ...}')
        return
    if name in seen:
        message, remedy = f'param "{name}" occurs twice', "rename one of the two"
        report.add("input_param_duplicate_name", path, message, remedy)
    seen.add(name)
    if not text_of(param.get("title")).strip():
        message, remedy = f'param "{name}" has no title', 'add "title"'
        report.add("input_param_missing_title", path, message, remedy)
    if param.get("required") is not None and not isinstance(param["required"], bool):
        message, at = f'param "{name}": required must be true or false', (*path, "required")
        report.add("input_param_required_invalid", at, message, "write true or false")
    if param.get("type") is not None and param["type"] not in TYPES:
        message, remedy = f'param "{name}": unknown type', f"use one of {', '.join(TYPES)}"
        report.add("input_param_unsupported_type", (*path, "type"), message, remedy)
    editor = param.get("editor")
    if editor is not None and (not isinstance(editor, str) or editor not in _PARAM_EDITORS):
        message = f'param "{name}": editor {editor!r} cannot be used inside a row'
        remedy = f"use one of {', '.join(sorted(_PARAM_EDITORS))}"
        report.add("input_param_unsupported_editor", (*path, "editor"), message, remedy)
    check_bounds(param, path, "input_param", report)
    _check_dates(param, path, "input_param", report)


def _check_default(item: Item, path: Path, report: SchemaReport) -> None:
    name, kind, default = item["name"], type_of(item), item["default"]
    at = (*path, "default")
    if not matches(kind, default):
        message = f'"{name}": the default is of type {json_type(default)}, not {kind}'
        report.add("input_default_type_mismatch", at, message, f"give a default of type {kind}")
        return
    if isinstance(default, list):
        _check_default_list(item, default, at, report)
    _check_default_choice(item, default, at, report)
    if is_number(default):
        minimum, maximum = item.get("minimum"), item.get("maximum")
        low = is_number(minimum) and default < minimum
        if low or (is_number(maximum) and default > maximum):
            message = f'"{name}": the default lies outside minimum and maximum'
            report.add("input_default_bound_mismatch", at, message, "correct default or bounds")


def _check_default_list(item: Item, default: list[Any], path: Path, report: SchemaReport) -> None:
    name, editor = item["name"], item.get("editor")
    for index, entry in enumerate(default[:_MAX_ENTRIES]):
        nested = isinstance(entry, list) or entry is None
        if nested or (editor == "requestListSource" and not isinstance(entry, dict)):
            message = f'"{name}": default[{index}] cannot be shown by its editor'
            remedy = "use objects for lists of requests, text or objects for other lists"
            report.add("input_default_list_item_invalid", (*path, index), message, remedy)
        elif editor == "requestListSource":
            _check_default_params(item, entry, (*path, index), report)


def _check_default_params(item: Item, entry: Item, path: Path, report: SchemaReport) -> None:
    params = item.get("param_list")
    for param in params if isinstance(params, list) else []:
        name = param_name(param)
        if not name:
            continue
        value = entry.get(name)
        if param.get("required") is True and value in (None, ""):
            message, remedy = f'the default lacks the required param "{name}"', f'add "{name}"'
            report.add("input_default_param_missing", path, message, remedy)
        elif value is not None and not matches(type_of(param), value):
            message = f'the default\'s param "{name}" is not of type {type_of(param)}'
            at = (*path, name)
            remedy = f"give a value of type {type_of(param)}"
            report.add("input_default_param_type_mismatch", at, message, remedy)


def _check_default_choice(item: Item, default: object, path: Path, report: SchemaReport) -> None:
    options = item.get("options")
    if text_of(item.get("editor")) not in _SELECTORS or not isinstance(options, list):
        return
    values = {repr(option.get("value")) for option in options if isinstance(option, dict)}
    for chosen in default if isinstance(default, list) else [default]:
        if repr(chosen) not in values:
            message = f'"{item["name"]}": the default {chosen!r} is not among the options'
            remedy = "choose one of the option values, or add it"
            report.add("input_default_option_not_declared", path, message, remedy)
