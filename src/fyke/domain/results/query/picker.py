"""Reads the same few fields from many rows, as JSON text.

A field is the name of a member of the row; when there is no such member, a path of names with dots
through objects, not through arrays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

members_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

Tokens = list[bytes | None]  # JSON text of each field; None where the row has none

_UNUSUAL = re.compile(r'["\\\x00-\x1f]')  # not possible in the names of a msgspec struct


class Picker:
    """Reads the ``fields`` of a row."""

    def __init__(self, fields: Sequence[str]) -> None:
        names = dict.fromkeys(name for field in fields for name in (field, field.split(".")[0]))
        self._paths = [(field, tuple(field.split("."))) for field in fields]
        self._read = _reader(list(names))

    def __call__(self, data: bytes) -> Tokens:
        members = self._read(data)
        return [_follow(members, field, parts) for field, parts in self._paths]


def _reader(names: list[str]) -> Callable[[bytes], Callable[[str], Any]]:
    """A function that decodes only the named members of a row, and returns their getter."""
    if any(_UNUSUAL.search(name) for name in names):
        return lambda data: members_of(data).get
    attributes = {name: f"m{number}" for number, name in enumerate(names)}
    row = msgspec.defstruct(
        "Row",
        [(attribute, msgspec.Raw, None) for attribute in attributes.values()],
        rename={attribute: name for name, attribute in attributes.items()},
        gc=False,
    )
    decode = msgspec.json.Decoder(row).decode

    def read(data: bytes) -> Callable[[str], Any]:
        members = decode(data)
        return lambda name: getattr(members, attributes[name])

    return read


def _follow(member: Callable[[str], Any], field: str, parts: tuple[str, ...]) -> bytes | None:
    direct = member(field)
    if direct is not None:
        return bytes(direct)
    if len(parts) == 1:
        return None
    value = member(parts[0])
    for part in parts[1:]:
        if value is None:
            return None
        token = bytes(value)
        if token[:1] != b"{":
            return None
        value = members_of(token).get(part)
    return None if value is None else bytes(value)
