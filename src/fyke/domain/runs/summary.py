"""Summarises the input of a run in one line: the titles and values of its fields."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from fyke.domain.workers.input_schema import InputField, Labels

MAX_CHARS = 200  # of a summary
MAX_VALUE_CHARS = 60  # of one value in it
MAX_INPUT_CHARS = 65_536  # of an input that is read for its summary
_MAX_BITS = 256  # of a number that is shown
_MAX_FIELDS = 50  # more do not fit into the line

_NO_LABELS: Labels = {}
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_ELLIPSIS = "\u2026"


def summarise(custom: Mapping[str, Any], fields: Iterable[InputField] = ()) -> str:
    """One line of at most ``MAX_CHARS`` characters, for example ``Pages: https://a.example (+2);
    Depth: 3``. ``fields`` of the schema are first, with their titles and the labels of options,
    then all others, without empty ones. A list is shown as its first item and the number of others.
    """
    known = {field.name: field for field in fields}
    parts: list[str] = []
    left = MAX_CHARS
    for name in _in_order(custom, known):
        field = known.get(name)
        value = _value(custom[name], field.labels if field else {})
        if not value:
            continue
        title = (field.title if field else "") or name
        part = f"{_line(title, MAX_VALUE_CHARS)}: {value}"
        parts.append(part)
        left -= len(part) + 2
        if left <= 0:
            break
    return _cut("; ".join(parts), MAX_CHARS)


def summary_of_text(input_json: str) -> str:
    """The summary of a stored input, without titles; only the size of a large one."""
    if len(input_json) > MAX_INPUT_CHARS:
        return f"input of {len(input_json) / 1e6:.1f} MB"
    try:
        custom = json.loads(input_json or "{}")
    except ValueError:
        return ""
    return summarise(custom) if isinstance(custom, dict) else ""


def summary_of_start(input_json: str) -> str:
    """Like ``summary_of_text``, for the ``input`` object of a start request."""
    if len(input_json) > MAX_INPUT_CHARS:
        return f"input of {len(input_json) / 1e6:.1f} MB"
    try:
        run_input = json.loads(input_json)
    except ValueError:
        return ""
    parameters = run_input.get("parameters") if isinstance(run_input, dict) else None
    custom = parameters.get("custom") if isinstance(parameters, dict) else None
    return summarise(custom) if isinstance(custom, dict) else ""


def _in_order(custom: Mapping[str, Any], known: Collection[str]) -> Iterable[str]:
    declared = [name for name in known if name in custom]
    others = [name for name in custom if name not in known]
    return (declared + others)[:_MAX_FIELDS]


def _value(value: object, labels: Labels = _NO_LABELS) -> str:
    """The text of ``value``, empty for an empty value."""
    if value is None or value in ("", [], {}):
        return ""
    if labels and isinstance(value, str | int | float) and (type(value), value) in labels:
        return _line(labels[type(value), value], MAX_VALUE_CHARS)
    match value:
        case bool():
            return "yes" if value else "no"
        case list():
            return _first(value, labels)
        case dict():
            return _member(value)
        case str():
            return _line(value, MAX_VALUE_CHARS)
        case int() if value.bit_length() > _MAX_BITS:
            return "a very large number"  # Python cannot convert the largest ones to text
        case _:
            return _cut(str(value), MAX_VALUE_CHARS)


def _first(values: list[Any], labels: Labels) -> str:
    first = _value(values[0], labels) or "empty"
    omitted = len(values) - 1
    return f"{first} (+{omitted})" if omitted else first


def _member(value: Mapping[str, Any]) -> str:
    """The text of an object: its URL if it describes a request, else the name and value of the
    first member that is not empty.
    """
    for name in ("url", "string"):
        if isinstance(value.get(name), str) and value[name]:
            return _line(value[name], MAX_VALUE_CHARS)
    for name in list(value)[:_MAX_FIELDS]:
        inner = value[name]
        # deeper values are not shown in one line
        inner_text = "{\u2026}" if isinstance(inner, dict | list) and inner else _value(inner)
        if inner_text:
            omitted = len(value) - 1
            text = _cut(f"{_line(name, 30)}={inner_text}", MAX_VALUE_CHARS)
            return f"{text} (+{omitted})" if omitted else text
    return ""


def _line(text: str, limit: int) -> str:
    """``text`` without line breaks and control characters, cut to ``limit`` characters."""
    return _cut(_SPACE.sub(" ", text[: limit * 4]).strip(), limit)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + _ELLIPSIS
