"""The values of a stored row as the table formats need them.

Numbers keep their digits: integers are exact in Python, and other numbers stay text. Objects and
arrays are their JSON text in the row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from fyke.domain.results.query.picker import row_type
from fyke.kit.members import struct_of
from fyke.model.results import RowBlock


class Number(str):
    """The digits of a number that is not a plain integer."""

    __slots__ = ()


class Nested(str):
    """An object or array as compact JSON text."""

    __slots__ = ()


Value = str | int | bool | None  # Number and Nested are str
Column = Sequence[Value]

_decode = msgspec.json.Decoder(dict[str, Any], float_hook=Number).decode
_decode_value = msgspec.json.Decoder(float_hook=Number).decode
_decode_raw = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_NESTED = frozenset[type]((dict, list))
_NESTED_OR_INTEGER = _NESTED | {int}
_MINUS_ZERO = b":-0"  # may be -0, the only integer whose digits Python does not keep, or -0.5
_TEXTS = frozenset[type]((str, Number, Nested))
_INTEGERS = frozenset[type]((int,))
_CELLS_AT_ONCE = 2**16

# All that XML 1.0 does not allow, even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read_row(data: bytes) -> dict[str, Value]:
    """Return the row's members in their order."""
    row = _decode(data)
    if not _inexact_types(data).isdisjoint(map(type, row.values())):
        raw = _decode_raw(data)
        return {key: _restored(value, raw[key]) for key, value in row.items()}
    return row


class TableReader:
    """Reads the values of the columns ``keys`` in blocks of rows; None where a row has none.

    Many rows are decoded together, and only these members of them, which is much faster.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = keys
        self._at_once = max(1, _CELLS_AT_ONCE // max(1, len(keys)))
        row, self._getters = row_type(keys, Any)
        self._decode = _decoder(row)
        self._nested: frozenset[int] = frozenset()  # columns in which objects or arrays occur

    def columns(self, block: RowBlock) -> Iterator[list[Column]]:
        """Yield the columns of some rows at a time."""
        if len(block) <= self._at_once:
            yield self._columns_of(block.data)
            return
        texts = block.texts()
        for begin in range(0, len(texts), self._at_once):
            yield self._columns_of(b"[%s]" % b",".join(texts[begin : begin + self._at_once]))

    def _columns_of(self, data: bytes) -> list[Column]:
        rows = self._decode(data)
        columns: list[Column] = [
            [_value_of(raw) for raw in map(get, rows)]
            if index in self._nested
            else list(map(get, rows))
            for index, get in enumerate(self._getters)
        ]
        inexact = _inexact_types(data)
        changed = [
            index
            for index, column in enumerate(columns)
            if index not in self._nested and not inexact.isdisjoint(map(type, column))
        ]
        if changed:
            row, getters = row_type([self._keys[index] for index in changed], msgspec.Raw)
            raw = msgspec.json.decode(data, type=list[row])  # type: ignore[valid-type]
            for index, get in zip(changed, getters, strict=True):
                columns[index] = list(map(_restored, columns[index], map(get, raw)))
            self._expect_nested(columns)
        return columns

    def _expect_nested(self, columns: list[Column]) -> None:
        """Decode only the JSON text of columns with objects or arrays from now on."""
        nested = {index for index, column in enumerate(columns) if Nested in map(type, column)}
        row = struct_of(self._keys, Any, raw=nested | self._nested)
        if nested and row is not None:
            self._nested |= nested
            self._decode = _decoder(row)


def _decoder(row: Any) -> Callable[[bytes], list[Any]]:
    return msgspec.json.Decoder(list[row], float_hook=Number).decode


def _value_of(raw: msgspec.Raw | None) -> Value:
    if raw is None:
        return None
    token = bytes(raw)
    if token[:1] in b"{[":
        return Nested(token, "utf-8")
    return _restored(_decode_value(token), raw)


def _inexact_types(data: bytes) -> frozenset[type]:
    """The types of values that may differ from their JSON text in ``data``."""
    return _NESTED_OR_INTEGER if _MINUS_ZERO in data else _NESTED


def _restored(value: Any, raw: msgspec.Raw) -> Value:
    if type(value) in _NESTED:
        return Nested(bytes(raw).decode())
    if type(value) is int and value == 0 and bytes(raw) != b"0":
        return Number(bytes(raw).decode())
    scalar: Value = value
    return scalar


def text_of(value: Value) -> str:
    """Return the value as text: empty for null, ``true`` and ``false`` as in JSON."""
    if value is None:
        return ""
    if value is True:
        return "true"
    if value is False:
        return "false"
    return value if isinstance(value, str) else str(value)


def texts_of(column: Column) -> Sequence[str]:
    """The result of ``text_of`` for each value."""
    types = frozenset(map(type, column))
    if types == _INTEGERS:
        return list(map(str, column))
    if types <= _TEXTS:
        return column  # type: ignore[return-value]
    return list(map(text_of, column))


def has_forbidden(text: str) -> bool:
    """Whether XML and HTML do not allow a character of the text."""
    return _FORBIDDEN.search(text) is not None


def without_forbidden(text: str) -> str:
    """Drop the characters that XML and HTML do not allow."""
    return _FORBIDDEN.sub("", text)
