"""Checks the arguments of a call, and says in sentences what is wrong with them.

Models send numbers as text, and empty texts for what they leave out. Both are accepted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import msgspec

from fyke.mcp.tool import McpTool, ToolRefused

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
SHOWN_UNKNOWN = 5  # names
_LONGEST_NAME = 50  # characters


class _Wrong(ValueError):
    """What one argument must be."""


def read_arguments(tool: McpTool, sent: Mapping[str, Any] | None) -> dict[str, Any]:
    """The arguments of ``tool`` with their defaults. Raises ``ToolRefused`` with all problems."""
    sent = {name: value for name, value in (sent or {}).items() if value is not None}
    unknown = [name for name in sent if name not in tool.properties]
    problems = [
        unknown_name(name, tool.properties, "an argument") for name in unknown[:SHOWN_UNKNOWN]
    ]
    if len(unknown) > SHOWN_UNKNOWN:
        problems.append(f"{len(unknown) - SHOWN_UNKNOWN} more names are not arguments")
    values: dict[str, Any] = {}
    for name, schema in tool.properties.items():
        value = sent.get(name, "")
        if value == "":
            if "default" in schema:
                values[name] = schema["default"]
            elif name in tool.required:
                problems.append(f"{name} is required")
            continue
        try:
            values[name] = _json(value) if name in tool.text_of_json else _value(value, schema)
        except _Wrong as wrong:
            problems.append(f"{name} {wrong}")
    if problems:
        raise ToolRefused(f"{tool.name}: {'; '.join(problems)}")
    return values


def unknown_name(name: str, known: Iterable[str], kind: str) -> str:
    """A sentence about a name that is not ``kind``, with the most similar of ``known``."""
    if len(name) > _LONGEST_NAME:  # a comparison takes time with the square of the length
        return f"{name[:_LONGEST_NAME]}… is not {kind}"
    close = get_close_matches(name, list(known), 1)
    return f"{name} is not {kind}" + (f" (do you mean {close[0]}?)" if close else "")


def _json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise _Wrong(f"must be JSON: {error}") from None


def _value(value: object, schema: Mapping[str, Any]) -> object:
    kind = schema.get("type", "")
    if kind in ("number", "integer"):
        return _number(value, schema)
    if kind == "boolean":
        return _boolean(value)
    if kind == "object":
        return _object(value)
    if kind == "array":
        return _texts(value)
    if not isinstance(value, str):
        raise _Wrong("must be text")
    if len(value) > schema.get("maxLength", len(value)):
        raise _Wrong(f"must be at most {schema['maxLength']} characters")
    if "enum" in schema and value.lower() not in schema["enum"]:
        raise _Wrong(f"must be one of {', '.join(schema['enum'])}")
    return value.lower() if "enum" in schema else value


def _number(value: object, schema: Mapping[str, Any]) -> int | float:
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError
        number = float(value)
        if not math.isfinite(number):
            raise ValueError
        result = int(number) if number.is_integer() else number
    except (ValueError, OverflowError):
        raise _Wrong("must be a number") from None
    if schema["type"] == "integer" and isinstance(result, float):
        raise _Wrong("must be a whole number")
    if "enum" in schema and result not in schema["enum"]:
        raise _Wrong(f"must be one of {', '.join(map(str, schema['enum']))}")
    low, high = schema.get("minimum"), schema.get("maximum")
    if (low is not None and result < low) or (high is not None and result > high):
        raise _Wrong(f"must be {low} or more" if high is None else f"must be {low} to {high}")
    return result


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _BOOLEANS:
        return _BOOLEANS[value.lower()]
    raise _Wrong("must be true or false")


def _object(value: object) -> dict[str, Any]:
    value = _json(value)
    if not isinstance(value, dict):
        raise _Wrong("must be a JSON object")
    return value


def _texts(value: object) -> list[str]:
    if isinstance(value, str) and not value.lstrip().startswith("["):
        return [part.strip() for part in value.split(",") if part.strip()]
    value = _json(value)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _Wrong("must be a list of texts")
    return value
