"""External merge sort: sorts row positions by key, in little memory for any number of rows.

Keys are sorted in runs of about 16,384, each of which is written to a temporary file in small
blocks. Then the blocks are read in the order of their first keys, and as many as make up a run are
sorted together. Only the first key of each block and the sorted positions, four bytes each, stay in
memory. Runs are small, because sorting a list blocks all other threads of the process.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import msgspec

from fyke.domain.results.query.ordering import Key, comparable

RUN_KEYS = 16_384
RUN_BYTES = 4 * 2**20
BLOCK_KEYS = 256
BLOCK_BYTES = 64 * 1024
_MERGED_BLOCKS = 64

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[list[Key], list[int]]).decode

_Block = tuple[Any, tuple[int, int, int]]  # first key; run, begin and size in the file


class Sorter:
    """Takes keys with positions and returns the positions sorted by key, equal keys by position.

    All keys are texts, or all are numbers: x is compared with a tuple as (x, 0, ""). Equal
    keys are added by position. ``descending`` reverses the order of the keys; positions of equal
    keys ascend in both orders. The temporary file is in ``scratch``; ``close`` removes it.
    """

    def __init__(self, *, descending: bool, scratch: Path | None) -> None:
        self._descending = descending
        self._scratch = scratch
        self._keys: list[Key] = []
        self._positions: list[int] = []
        self._bytes = 0
        self._tuples = False  # whether any key is one
        self._file: IO[bytes] | None = None
        self._runs = 0
        self._firsts: list[Key] = []  # of each block
        self._places: list[tuple[int, int, int]] = []

    def add(self, keys: list[Key], positions: list[int]) -> None:
        self._keys += keys
        self._positions += positions
        types = set(map(type, keys))
        if str in types:
            self._bytes += sum(map(len, keys))  # type: ignore[arg-type]
        elif tuple in types:
            self._tuples = True
            self._bytes += sum([len(key[2]) for key in keys if type(key) is tuple])
        if len(self._keys) >= RUN_KEYS or self._bytes >= RUN_BYTES:
            self._write_run()

    def positions(self) -> array[int]:
        """All positions in order. Raises ``OSError`` when the disk is full."""
        result = array("I")
        if self._file is None:
            result.extend(self._take_run()[1])
        else:
            self._write_run()
            for positions in self._merged(self._file):
                result.extend(positions)
        if self._descending:
            result.reverse()
        return result

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _write_run(self) -> None:
        size = max(1, min(BLOCK_KEYS, BLOCK_BYTES * len(self._keys) // max(1, self._bytes)))
        keys, positions = self._take_run()
        if self._file is None:
            self._file = TemporaryFile(dir=self._scratch, prefix="fyke-sort-")  # noqa: SIM115
        for at in range(0, len(keys), size):
            block = _encode((keys[at : at + size], positions[at : at + size]))
            self._firsts.append(keys[at])
            self._places.append((self._runs, self._file.tell(), len(block)))
            self._file.write(block)
        self._file.flush()
        self._runs += -1 if self._descending else 1

    def _take_run(self) -> tuple[list[Any], list[int]]:
        """Remove the keys in memory and return them sorted."""
        keys, positions = self._keys, self._positions
        self._keys, self._positions, self._bytes = [], [], 0
        if self._descending:
            # this order is the ascending one reversed, so equal keys are sorted in reverse
            keys.reverse()
            positions.reverse()
        return _sorted(self._comparable(keys), positions)

    def _comparable(self, keys: list[Key]) -> list[Any]:
        return comparable(keys) if self._tuples else keys

    def _merged(self, file: IO[bytes]) -> Iterator[list[int]]:
        blocks = sorted(zip(self._comparable(self._firsts), self._places, strict=True))
        runs: dict[int, tuple[list[Any], list[int]]] = {}  # what was read and not returned yet
        for index in range(0, len(blocks), _MERGED_BLOCKS):
            for _, (run, begin, size) in blocks[index : index + _MERGED_BLOCKS]:
                keys, positions = _decode(os.pread(file.fileno(), size, begin))
                waiting = runs.setdefault(run, ([], []))
                waiting[0].extend(self._comparable(keys))
                waiting[1].extend(positions)
            yield _sorted(
                *_take_before(runs, blocks[index + _MERGED_BLOCKS : index + _MERGED_BLOCKS + 1])
            )[1]


def _sorted(keys: list[Any], positions: list[int]) -> tuple[list[Any], list[int]]:
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return [keys[index] for index in order], [positions[index] for index in order]


def _take_before(
    runs: dict[int, tuple[list[Any], list[int]]], following: list[_Block]
) -> tuple[list[Any], list[int]]:
    """Remove and return all keys that come before the ``following`` block, if there is one. Equal
    keys of several runs are in the order of the runs.
    """
    taken: tuple[list[Any], list[int]] = ([], [])
    for run in sorted(runs):
        keys, positions = runs[run]
        count = len(keys)
        for first, (next_run, _, _) in following:
            bisect = bisect_right if run <= next_run else bisect_left
            count = bisect(keys, first)
        for source, target in zip((keys, positions), taken, strict=True):
            target.extend(source[:count])
            del source[:count]
    return taken
