"""What the console of a browser shows of the values that a page writes on it."""

from __future__ import annotations

from typing import Any

import msgspec

from fyke.model.browser import MAX_READ_TEXT

_MAX_PROPERTIES = 20  # of an argument; Chromium sends five of an object, and 100 of an array


class _Property(msgspec.Struct):
    name: str = ""
    type: str = ""
    value: str = ""


class _Preview(msgspec.Struct):
    properties: list[_Property] = []
    overflow: bool = False  # whether there are more


class Argument(msgspec.Struct):
    type: str = ""
    subtype: str = ""
    value: Any = None
    description: str = ""
    preview: _Preview | None = None


def text_of(argument: Argument) -> str:
    """An argument of a console message as the console of a browser shows it."""
    if isinstance(argument.value, str):
        return argument.value[:MAX_READ_TEXT]
    if argument.value is not None:
        return msgspec.json.encode(argument.value).decode()[:MAX_READ_TEXT]
    if argument.preview is not None and argument.subtype in ("", "array"):
        return _preview_of(argument, argument.preview)[:MAX_READ_TEXT]
    return (argument.description or argument.type)[:MAX_READ_TEXT]


def _preview_of(argument: Argument, preview: _Preview) -> str:
    """The first properties of an object, with its class unless that says nothing."""
    is_array = argument.subtype == "array"
    values = (
        msgspec.json.encode(one.value).decode() if one.type == "string" else one.value or one.type
        for one in preview.properties[:_MAX_PROPERTIES]
    )
    texts = [
        value if is_array else f"{one.name}: {value}"
        for one, value in zip(preview.properties, values, strict=False)
    ]
    if preview.overflow:
        texts.append("…")
    inside = ", ".join(texts)
    if is_array:
        return f"[{inside}]"
    named = argument.description if argument.description != "Object" else ""
    return f"{named} {{{inside}}}".strip()


def place(url: str, line: int) -> str:
    """A source; lines of Chromium count from 0."""
    return f"{url}:{line + 1}" if url and 0 <= line < 2**31 else url
