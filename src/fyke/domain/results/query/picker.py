"""Reads the same few fields from many rows, as JSON text.

A field is the name of a member of the row; when there is no such member, a path of names with dots
through objects, not through arrays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter, methodcaller
from typing import Any

import msgspec

members_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

Tokens = list[bytes | None]  # JSON text of each field of a row; None where the row has none
Column = Sequence[msgspec.Raw | None]  # JSON text of one field in each row
_Getter = Callable[[Any], msgspec.Raw | None]

_UNUSUAL = re.compile(
    r'["\\\x00-\x1f\ud800-\udfff]'
)  # not possible in the names of a msgspec struct
_MAX_MEMBERS = 256  # each name in a row is compared with those of a struct, one after another


class Picker:
    """Reads the ``fields`` of rows."""

    def __init__(self, fields: Sequence[str]) -> None:
        names = dict.fromkeys(name for field in fields for name in (field, field.split(".")[0]))
        row, members = _row_type(list(names))
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


def _row_type(names: list[str]) -> tuple[Any, dict[str, _Getter]]:
    """A type into which only the named members of a row are decoded, and their getters."""
    row = struct_of(names, msgspec.Raw)
    if row is None:
        return dict[str, msgspec.Raw], {name: methodcaller("get", name) for name in names}
    return row, {name: attrgetter(f"m{number}") for number, name in enumerate(names)}


def struct_of(names: Sequence[str], kind: Any) -> Any:
    """A struct that decodes only the named members of an object, as ``kind`` or None; its fields
    are m0, m1 and so on. None when that is not possible, or not fast.
    """
    if len(names) > _MAX_MEMBERS or any(map(_UNUSUAL.search, names)):
        return None
    return msgspec.defstruct(
        "Row",
        [(f"m{number}", kind, None) for number in range(len(names))],
        rename={f"m{number}": name for number, name in enumerate(names)},
        gc=False,
    )


def _getter(members: dict[str, _Getter], field: str) -> _Getter:
    first, *rest = field.split(".")
    return partial(_follow, members[field], members[first], rest) if rest else members[field]


def _follow(whole: _Getter, first: _Getter, rest: list[str], row: Any) -> msgspec.Raw | None:
    value = whole(row)
    if value is not None:
        return value
    value = first(row)
    for name in rest:
        token = b"" if value is None else bytes(value)
        if token[:1] != b"{":
            return None
        value = members_of(token).get(name)
    return value
