"""Sorting positions by keys with little memory, whatever the number of rows.

Keys are sorted some thousands at a time and go to a temporary file; at the end the sorted stretches
are merged. Only the positions stay, four bytes each. Stretches are short, because sorting one keeps
all other threads of the process waiting.
"""

from __future__ import annotations

import heapq
import sys
from array import array
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

STRETCH_RECORDS = 16_384
STRETCH_BYTES = 4 * 2**20
_READ_BYTES = 32 * 1024
_POSITION = 4
_LENGTH = 4
_INVERT = bytes(range(255, -1, -1))

Positions = array  # of type "I"


class Sorter:
    """Takes keys with positions, gives positions in the order of the keys; equal keys by position.

    No key may be the beginning of another. ``descending`` turns the order of the keys around, but
    not that of equal ones. The temporary file lies in ``scratch``; ``close`` removes it.
    """

    def __init__(self, *, descending: bool, scratch: Path | None) -> None:
        self._descending = descending
        self._scratch = scratch
        self._records: list[bytes] = []
        self._bytes = 0
        self._file: IO[bytes] | None = None
        self._stretches: list[tuple[int, int]] = []  # begin and end in the file

    def add(self, key: bytes, position: int) -> None:
        own = position.to_bytes(_POSITION, "big")
        # Falling order is rising order read backwards, where equal keys must stand backwards too.
        record = key + (own.translate(_INVERT) if self._descending else own)
        self._records.append(record)
        self._bytes += len(record)
        if len(self._records) >= STRETCH_RECORDS or self._bytes >= STRETCH_BYTES:
            self._put_aside()

    def positions(self) -> array[int]:
        """All positions in order. Raises ``OSError`` when the disk is full."""
        self._records.sort()
        if not self._stretches:
            return self._collected(self._records)
        self._put_aside()
        return self._collected(heapq.merge(*map(self._read, self._stretches)))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _put_aside(self) -> None:
        if not self._records:
            return
        self._records.sort()
        if self._file is None:
            self._file = TemporaryFile(dir=self._scratch, prefix="fyke-sort-")  # noqa: SIM115
        begin = self._file.seek(0, 2)
        parts: list[bytes] = []
        for record in self._records:
            parts += (len(record).to_bytes(_LENGTH, "big"), record)
        self._file.write(b"".join(parts))
        self._stretches.append((begin, self._file.tell()))
        self._records = []
        self._bytes = 0

    def _read(self, stretch: tuple[int, int]) -> Iterator[bytes]:
        assert self._file is not None  # noqa: S101 - there is a stretch
        at, end = stretch
        held = b""
        while at < end or held:
            fresh = self._piece(at, end)
            at += len(fresh)
            held += fresh
            begin, size = 0, len(held)
            while begin + _LENGTH <= size:
                stop = begin + _LENGTH + int.from_bytes(held[begin : begin + _LENGTH], "big")
                if stop > size:
                    break
                yield held[begin + _LENGTH : stop]
                begin = stop
            held = held[begin:]

    def _piece(self, at: int, end: int) -> bytes:
        assert self._file is not None  # noqa: S101 - there is a stretch
        self._file.seek(at)
        return self._file.read(min(_READ_BYTES, end - at))

    def _collected(self, records: Iterable[bytes]) -> array[int]:
        found = array("I")
        source = iter(records)
        while block := list(islice(source, STRETCH_RECORDS)):
            joined = b"".join([record[-_POSITION:] for record in block])
            found.frombytes(joined.translate(_INVERT) if self._descending else joined)
        if sys.byteorder == "little":
            found.byteswap()
        if self._descending:
            found.reverse()
        return found
