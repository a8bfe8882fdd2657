"""The input of a run in one line, for lists: the titles and values of its fields."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

MAX_CHARS = 200  # of a summary
MAX_VALUE_CHARS = 60  # of one value in it
MAX_INPUT_CHARS = 65_536  # of an input that is read for its summary
_MAX_BITS = 256  # of a number that is written out
_LOOKED_AT = 50  # fields; more do not fit into the line anyway

_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_MARK = "\u2026"


def summarise(custom: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """One line of at most ``MAX_CHARS`` characters, such as ``Pages: https://a.example (+2);
    Depth: 3``. Fields come in the order of ``titles`` (name to title), then all others; those that
    are empty are left out. Of a list its first entry is shown and how many more there are.
    """
    parts: list[str] = []
    left = MAX_CHARS
    for name in _in_order(custom, titles):
        shown = _value(custom[name])
        if not shown:
            continue
        part = f"{_line(titles.get(name) or name, MAX_VALUE_CHARS)}: {shown}"
        parts.append(part)
        left -= len(part) + 2
        if left <= 0:
            break
    return _cut("; ".join(parts), MAX_CHARS)


def summary_of_text(input_json: str) -> str:
    """The same for a stored input, without titles; for a long one only its size."""
    if len(input_json) > MAX_INPUT_CHARS:
        return f"input of {len(input_json) / 1e6:.1f} MB"
    try:
        custom = json.loads(input_json or "{}")
    except ValueError:
        return ""
    return summarise(custom, {}) if isinstance(custom, dict) else ""


def summary_of_start(input_json: str) -> str:
    """The same for the object of a start request, whose ``parameters`` are the input."""
    if len(input_json) > MAX_INPUT_CHARS:
        return f"input of {len(input_json) / 1e6:.1f} MB"
    try:
        whole = json.loads(input_json)
    except ValueError:
        return ""
    parameters = whole.get("parameters") if isinstance(whole, dict) else None
    custom = parameters.get("custom") if isinstance(parameters, dict) else None
    return summarise(custom, {}) if isinstance(custom, dict) else ""


def _in_order(custom: Mapping[str, Any], titles: Mapping[str, str]) -> Iterable[str]:
    known = [name for name in titles if name in custom]
    others = [name for name in custom if name not in titles]
    return (known + others)[:_LOOKED_AT]


def _value(value: object) -> str:
    """The text of ``value``, empty for an empty value."""
    if value is None or value in ("", [], {}):
        return ""
    match value:
        case bool():
            return "yes" if value else "no"
        case list():
            return _first(value)
        case dict():
            return _member(value)
        case str():
            return _line(value, MAX_VALUE_CHARS)
        case int() if value.bit_length() > _MAX_BITS:
            return "a very large number"  # Python refuses to write it out from some size on
        case _:
            return _cut(str(value), MAX_VALUE_CHARS)


def _first(values: list[Any]) -> str:
    shown = _value(values[0]) or "empty"
    more = len(values) - 1
    return f"{shown} (+{more})" if more else shown


def _member(value: Mapping[str, Any]) -> str:
    """An entry of a list of requests is shown by its address; other objects by their first member
    that says something, with its name.
    """
    for name in ("url", "string"):
        if isinstance(value.get(name), str) and value[name]:
            return _line(value[name], MAX_VALUE_CHARS)
    for name in list(value)[:_LOOKED_AT]:
        inner = value[name]
        # deeper values are not shown in one line
        shown = "{\u2026}" if isinstance(inner, dict | list) and inner else _value(inner)
        if shown:
            more = len(value) - 1
            text = _cut(f"{_line(name, 30)}={shown}", MAX_VALUE_CHARS)
            return f"{text} (+{more})" if more else text
    return ""


def _line(text: str, most: int) -> str:
    """``text`` without line breaks and control characters, cut to ``most``."""
    return _cut(_SPACE.sub(" ", text[: most * 4]).strip(), most)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + _MARK
