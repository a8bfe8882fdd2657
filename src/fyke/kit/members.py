"""The members of JSON objects, read from many objects at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Sequence
from contextlib import suppress
from typing import Any

import msgspec

_UNUSUAL = re.compile(
    r'["\\\x00-\x1f\ud800-\udfff]'
)  # not possible in the names of a msgspec struct
MAX_MEMBERS = 256  # each name in an object is compared with those of a struct, one after another

_members = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode


def struct_of(
    names: Sequence[str], kind: Any, *, only: bool = False, raw: Container[int] = ()
) -> Any:
    """A struct that decodes the named members of an object, as ``kind`` or None, into the fields
    m0, m1 and so on; those whose numbers are in ``raw`` stay JSON text. ``only``: refuse objects
    with other members, instead of skipping these. None when such a struct is not possible, or not
    fast.
    """
    if len(names) > MAX_MEMBERS or any(map(_UNUSUAL.search, names)):
        return None
    return msgspec.defstruct(
        "Row",
        [
            (f"m{number}", msgspec.Raw if number in raw else kind, None)
            for number in range(len(names))
        ],
        rename={f"m{number}": name for number, name in enumerate(names)},
        gc=False,
        forbid_unknown_fields=only,
    )


class Keys:
    """The keys of objects in the order of their first occurrence.

    Most blocks of objects have no new key, which a decoder that refuses other members shows
    fastest.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known = dict.fromkeys(known)
        self._decode_known = self._decoder()

    def add(self, objects: bytes) -> list[tuple[int, str]]:
        """Add the objects in a JSON array. Return each new key with the index of the first object
        that has it. Raises ``msgspec.DecodeError`` for anything else.
        """
        if self._decode_known is not None:
            with suppress(msgspec.ValidationError):
                self._decode_known(objects)
                return []
        new: list[tuple[int, str]] = []
        for index, members in enumerate(_members(objects)):
            if members.keys() <= self._known.keys():
                continue
            for key in members:
                if key not in self._known:
                    self._known[key] = None
                    new.append((index, key))
        if new:
            self._decode_known = self._decoder()
        return new

    def _decoder(self) -> Callable[[bytes], object] | None:
        row = struct_of(list(self._known), msgspec.Raw, only=True)
        return None if row is None else msgspec.json.Decoder(list[row]).decode  # type: ignore[valid-type]
