"""External merge sort: sorts row positions by key, in little memory for any number of rows.

Keys are written to a temporary file in runs of about 16,384. The first of them in the order are
known as soon as all were added: a page of these can be sent before the rest is sorted, which takes
as long again. Then each run is sorted and written to a second file in small blocks; the blocks are
read in the order of their first keys, and as many as make up a run are sorted together. Only the
first key of each block and the sorted positions, four bytes each, stay in memory. Runs are small,
because sorting a list blocks all other threads of the process.
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

FIRST = 1024  # positions that are known first
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
    keys ascend in both orders. The temporary files are in ``scratch``; ``close`` removes them.
    """

    def __init__(self, *, descending: bool, scratch: Path | None) -> None:
        self._descending = descending
        self._scratch = scratch
        self._keys: list[Key] = []
        self._positions: list[int] = []
        self._bytes = 0
        self._tuples = False  # whether any key is one
        self._first = _First(descending)
        self._added: IO[bytes] | None = None  # runs in the order in which they were added
        self._runs: list[tuple[int, int, int]] = []  # of each: begin and size there, bytes of keys
        self._file: IO[bytes] | None = None  # sorted runs in blocks
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
        self._first.add(self._comparable(keys), positions, tuples=self._tuples)
        if len(self._keys) >= RUN_KEYS or self._bytes >= RUN_BYTES:
            self._write_run()

    def first(self) -> list[int]:
        """The first ``FIRST`` positions in order, or all if there are fewer."""
        return self._first.positions()

    def positions(self) -> array[int]:
        """All positions in order, once, after the last key. Raises ``OSError`` when the disk is
        full.
        """
        result = array("I")
        if self._added is None:
            result.extend(self._sorted_run(self._keys, self._positions)[1])
        else:
            self._write_run()
            for positions in self._merged(self._sort_runs(self._added)):
                result.extend(positions)
        if self._descending:
            result.reverse()
        return result

    def close(self) -> None:
        for file in (self._added, self._file):
            if file is not None:
                file.close()

    def _write_run(self) -> None:
        if self._added is None:
            self._added = self._temporary()
        run = _encode((self._keys, self._positions))
        self._runs.append((self._added.tell(), len(run), self._bytes))
        self._added.write(run)
        self._added.flush()
        self._keys, self._positions, self._bytes = [], [], 0

    def _sort_runs(self, added: IO[bytes]) -> IO[bytes]:
        file = self._file = self._temporary()
        for number, (begin, length, key_bytes) in enumerate(self._runs):
            keys, positions = self._sorted_run(*_decode(os.pread(added.fileno(), length, begin)))
            size = max(1, min(BLOCK_KEYS, BLOCK_BYTES * len(keys) // max(1, key_bytes)))
            for at in range(0, len(keys), size):
                block = _encode((keys[at : at + size], positions[at : at + size]))
                self._firsts.append(keys[at])
                run = -number if self._descending else number
                self._places.append((run, file.tell(), len(block)))
                file.write(block)
        file.flush()
        return file

    def _temporary(self) -> IO[bytes]:
        return TemporaryFile(dir=self._scratch, prefix="fyke-sort-")

    def _sorted_run(self, keys: list[Any], positions: list[int]) -> tuple[list[Any], list[int]]:
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


class _First:
    """The first ``FIRST`` of the keys that were added. Most others are refused at once."""

    def __init__(self, descending: bool) -> None:
        self._descending = descending
        self._keys: list[Any] = []
        self._positions: list[int] = []
        self._last: Any = None  # the last of the first keys, when there are enough
        self._tuples = False

    def add(self, keys: list[Any], positions: list[int], *, tuples: bool) -> None:
        """``tuples``: these keys are tuples, and all that follow."""
        if tuples and not self._tuples:
            self._tuples = True
            self._keys = comparable(self._keys)
            if self._last is not None:
                (self._last,) = comparable([self._last])
        last = self._last
        if last is not None:
            # an equal key is later, because its position is
            if self._descending:
                found = [index for index, key in enumerate(keys) if key > last]
            else:
                found = [index for index, key in enumerate(keys) if key < last]
            keys, positions = (
                [keys[index] for index in found],
                [positions[index] for index in found],
            )
        self._keys += keys
        self._positions += positions
        if len(self._keys) >= 2 * FIRST:
            self._sort()
            self._last = self._keys[-1]

    def positions(self) -> list[int]:
        self._sort()
        return self._positions

    def _sort(self) -> None:
        keys, positions = self._keys, self._positions
        order = sorted(range(len(keys)), key=keys.__getitem__, reverse=self._descending)[:FIRST]
        self._keys = [keys[index] for index in order]
        self._positions = [positions[index] for index in order]


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
