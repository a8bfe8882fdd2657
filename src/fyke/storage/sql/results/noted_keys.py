"""The keys of the rows in a file, noted while it is written, so that a table of an ended run knows
its columns without reading all rows.

Which rows are visible depends on their attempts. So the keys of each attempt are noted, with the
position of its first row that has the key. A row that several have upserted is one of each.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence, Set
from itertools import chain, compress
from operator import itemgetter
from types import MappingProxyType

import msgspec

from fyke.kit.members import MAX_MEMBERS, Keys

# of all attempts together; more are not noted, nor more than ``MAX_MEMBERS`` of one attempt,
# because that takes several times as long as writing its rows to the file
MAX_KEYS = 16_384
MAX_ATTEMPTS = 256  # each has a decoder
MAX_BYTES = 2**20

_Note = dict[int, list[tuple[int, str]]]  # position and key, by the number of the attempt
_decode = msgspec.json.Decoder(_Note).decode


class NotedKeys:
    """Notes the keys of rows, which are added in the order of their positions."""

    def __init__(self) -> None:
        self._keys: dict[int, Keys] = {}
        self._note: _Note = {}
        self._count = self._bytes = 0
        self._given_up = False

    def add(
        self,
        first: int,
        attempts: Sequence[int],
        rows: Sequence[bytes],
        shares: Mapping[int, Set[int]] = MappingProxyType({}),
    ) -> None:
        """Add rows from the position ``first`` on, the attempt of each, and by position all
        attempts of those that have several.
        """
        positions = range(first, first + len(rows))
        numbers = set(attempts).union(*shares.values())
        for attempt in numbers:
            if self._given_up:
                return
            if attempt not in self._keys and len(self._keys) >= MAX_ATTEMPTS:
                self._give_up()
                return
            if len(numbers) == 1:
                self._add(attempt, positions, rows)
                return
            chosen = [
                number == attempt or attempt in shares.get(position, ())
                for position, number in zip(positions, attempts, strict=True)
            ]
            self._add(attempt, list(compress(positions, chosen)), list(compress(rows, chosen)))

    def _add(self, attempt: int, positions: Sequence[int], rows: Sequence[bytes]) -> None:
        keys = self._keys.get(attempt) or self._keys.setdefault(attempt, Keys())
        try:
            new = keys.add(b"[%s]" % b",".join(rows))
        except msgspec.DecodeError:  # not the objects that are pushed
            self._give_up()
            return
        noted = self._note.setdefault(attempt, [])
        noted.extend((positions[n], key) for n, key in new)
        self._count += len(new)
        self._bytes += sum(len(key.encode()) for _, key in new)
        if len(noted) > MAX_MEMBERS or self._count > MAX_KEYS or self._bytes > MAX_BYTES:
            self._give_up()

    def _give_up(self) -> None:
        self._given_up = True
        self._keys.clear()
        self._note.clear()

    def encode(self) -> bytes | None:
        """The note for ``visible_keys``; None when there are too many keys."""
        return None if self._given_up else msgspec.json.encode(self._note)


def visible_keys(note: bytes, excluded: Container[int]) -> list[str]:
    """The keys of the rows of all but the ``excluded`` attempts, in the order of the first of these
    rows that has each.
    """
    noted = [keys for attempt, keys in _decode(note).items() if attempt not in excluded]
    # the keys of one row stay in their order, because only positions are compared
    by_position = sorted(chain.from_iterable(noted), key=itemgetter(0))
    return list(dict.fromkeys(key for _, key in by_position))
