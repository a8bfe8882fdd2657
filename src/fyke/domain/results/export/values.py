"""The values of a stored row as the table formats need them.

Numbers keep their digits: integers are exact in Python, and other numbers stay text. Objects and
arrays are their JSON text in the row.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec


class Number(str):
    """The digits of a number that is not a plain integer."""

    __slots__ = ()


class Nested(str):
    """An object or array as compact JSON text."""

    __slots__ = ()


Value = str | int | bool | None  # Number and Nested are str

_decode = msgspec.json.Decoder(dict[str, Any], float_hook=Number).decode
_decode_raw = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_MINUS_ZERO = b":-0"  # a cheap test for -0, the only integer whose digits Python does not keep

# All that XML 1.0 does not allow, even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read_row(data: bytes) -> dict[str, Value]:
    """Return the row's members in their order."""
    row = _decode(data)
    has_nested = any(type(value) is dict or type(value) is list for value in row.values())
    if has_nested or _MINUS_ZERO in data:
        _restore(row, _decode_raw(data))
    return row


def _restore(row: dict[str, Any], raw: dict[str, msgspec.Raw]) -> None:
    for key, value in row.items():
        if type(value) is dict or type(value) is list:
            row[key] = Nested(bytes(raw[key]).decode())
        elif type(value) is int and value == 0:
            row[key] = Number(bytes(raw[key]).decode())


def text_of(value: Value) -> str:
    """Return the value as text: empty for null, ``true`` and ``false`` as in JSON."""
    if value is None:
        return ""
    if value is True:
        return "true"
    if value is False:
        return "false"
    return value if isinstance(value, str) else str(value)


def without_forbidden(text: str) -> str:
    """Drop the characters that XML and HTML do not allow."""
    return _FORBIDDEN.sub("", text)
