"""Reading the same few members out of row after row, as the JSON text that they are.

A field names a member of the row whose name is the whole text, or, where there is none, each dot
leads one object further in. Dots do not lead into arrays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

members_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

Tokens = list[bytes | None]  # JSON text of each field; None where the row has none

_UNUSUAL = re.compile(r'["\\\x00-\x1f]')  # what the quick way cannot name


class Picker:
    """Takes the ``fields`` out of a row."""

    def __init__(self, fields: Sequence[str]) -> None:
        names = dict.fromkeys(name for field in fields for name in (field, field.split(".")[0]))
        self._places = [(field, tuple(field.split("."))) for field in fields]
        self._read = _reader(list(names))

    def __call__(self, data: bytes) -> Tokens:
        members = self._read(data)
        return [_follow(members, field, parts) for field, parts in self._places]


def _reader(names: list[str]) -> Callable[[bytes], Callable[[str], Any]]:
    """What gives access to the named members of a row; all others are stepped over."""
    if any(_UNUSUAL.search(name) for name in names):
        return lambda data: members_of(data).get
    own = {name: f"m{number}" for number, name in enumerate(names)}
    row = msgspec.defstruct(
        "Row",
        [(attribute, msgspec.Raw, None) for attribute in own.values()],
        rename={attribute: name for name, attribute in own.items()},
        gc=False,
    )
    decode = msgspec.json.Decoder(row).decode

    def read(data: bytes) -> Callable[[str], Any]:
        found = decode(data)
        return lambda name: getattr(found, own[name])

    return read


def _follow(member: Callable[[str], Any], field: str, parts: tuple[str, ...]) -> bytes | None:
    whole = member(field)
    if whole is not None:
        return bytes(whole)
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
