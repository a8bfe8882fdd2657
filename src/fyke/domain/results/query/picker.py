"""Reads the same few fields from many rows, as JSON text.

A field is the name of a member of the row; when there is no such member, a path of names with dots
through objects, not through arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter, methodcaller
from typing import Any

import msgspec

from fyke.kit.members import struct_of

members_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

Tokens = list[bytes | None]  # JSON text of each field of a row; None where the row has none
Column = Sequence[msgspec.Raw | None]  # JSON text of one field in each row
Getter = Callable[[Any], Any]


class Picker:
    """Reads the ``fields`` of rows."""

    def __init__(self, fields: Sequence[str]) -> None:
        names = dict.fromkeys(name for field in fields for name in (field, field.split(".")[0]))
        row, getters = row_type(list(names), msgspec.Raw)
        members = dict(zip(names, getters, strict=True))
        self._decode = msgspec.json.Decoder(row).decode
        self._decode_all = msgspec.json.Decoder(list[row]).decode  # type: ignore[valid-type]
        self._getters = [_getter(members, field) for field in fields]

    def __call__(self, data: bytes) -> Tokens:
        row = self._decode(data)
        found = [get(row) for get in self._getters]
        return [None if token is None else bytes(token) for token in found]

    def columns(self, data: bytes) -> list[Column]:
        """The fields of several rows, in a JSON array, which is much faster than one by one."""
        rows = self._decode_all(data)
        return [list(map(get, rows)) for get in self._getters]


def row_type(names: Sequence[str], kind: Any) -> tuple[Any, list[Getter]]:
    """A type into which the named members of a row are decoded, as ``kind``, and their getters,
    which return None where a row has none. Other members are skipped where that is possible.
    """
    row = struct_of(names, kind)
    if row is None:
        return dict[str, kind], [methodcaller("get", name) for name in names]
    return row, [attrgetter(f"m{number}") for number in range(len(names))]


def _getter(members: dict[str, Getter], field: str) -> Getter:
    first, *rest = field.split(".")
    return partial(_follow, members[field], members[first], rest) if rest else members[field]


def _follow(whole: Getter, first: Getter, rest: list[str], row: Any) -> msgspec.Raw | None:
    value: msgspec.Raw | None = whole(row)
    if value is not None:
        return value
    value = first(row)
    for name in rest:
        token = b"" if value is None else bytes(value)
        if token[:1] != b"{":
            return None
        value = members_of(token).get(name)
    return value
