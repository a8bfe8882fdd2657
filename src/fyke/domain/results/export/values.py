"""The values of a stored row as the table formats need them.

Numbers keep their digits: integers are exact in Python, and other numbers stay text. Objects and
arrays are their JSON text in the row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import msgspec

from fyke.domain.results.query.picker import struct_of
from fyke.model.results import Row


class Number(str):
    """The digits of a number that is not a plain integer."""

    __slots__ = ()


class Nested(str):
    """An object or array as compact JSON text."""

    __slots__ = ()


Value = str | int | bool | None  # Number and Nested are str

_decode = msgspec.json.Decoder(dict[str, Any], float_hook=Number).decode
_decode_raw = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_NESTED = frozenset((dict, list))
_MINUS_ZERO = b":-0"  # a cheap test for -0, the only integer whose digits Python does not keep
_ROWS_AT_ONCE = 256
_CELLS_AT_ONCE = 2**16

# All that XML 1.0 does not allow, even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read_row(data: bytes) -> dict[str, Value]:
    """Return the row's members in their order."""
    row = _decode(data)
    if _has_raw(row.values(), data):
        _restore(row, _decode_raw(data))
    return row


class TableReader:
    """Reads the cells of the columns ``keys`` of rows; None where a row has none.

    Some rows at a time are decoded together, and only these members of them, which is much faster.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = keys
        self._at_once = max(1, min(_ROWS_AT_ONCE, _CELLS_AT_ONCE // max(1, len(keys))))
        struct = struct_of(keys, Any)
        row = dict[str, Any] if struct is None else struct
        self._decode = msgspec.json.Decoder(list[row], float_hook=Number).decode  # type: ignore[valid-type]
        self._cells = self._members if struct is None else msgspec.structs.astuple

    def __call__(self, rows: Sequence[Row]) -> Iterator[list[Sequence[Value]]]:
        """Yield the cells of some rows at a time."""
        for begin in range(0, len(rows), self._at_once):
            data = [row.data for row in rows[begin : begin + self._at_once]]
            text = b"[%s]" % b",".join(data)
            table = list(map(self._cells, self._decode(text)))
            if _has_raw(chain.from_iterable(table), text):
                table = list(map(self._with_raw, table, data))
            yield table

    def _members(self, row: dict[str, Any]) -> Sequence[Value]:
        return [row.get(key) for key in self._keys]

    def _with_raw(self, cells: Sequence[Value], data: bytes) -> Sequence[Value]:
        if not _has_raw(cells, data):
            return cells
        row = dict(zip(self._keys, cells, strict=True))
        _restore(row, _decode_raw(data))
        return list(row.values())


def _has_raw(values: Iterable[Any], data: bytes) -> bool:
    """Whether some values may differ from their JSON text in ``data``."""
    return not _NESTED.isdisjoint(map(type, values)) or _MINUS_ZERO in data


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
