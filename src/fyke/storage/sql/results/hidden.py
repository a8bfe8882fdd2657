"""The positions of hidden rows, so that a page at any offset of a run costs the same.

Attempts with hidden rows have ended, so their positions do not change. They are read once and
cached, four bytes each, and the row at any offset among the visible ones is found by bisection.
"""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence

MAX_CACHED = 4_000_000  # positions in all entries: 16 MB

Key = tuple[int, ...]


class HiddenPositions:
    """A thread-safe LRU cache of sorted positions by run and attempts."""

    def __init__(self, limit: int = MAX_CACHED) -> None:
        self._limit = limit
        self._entries: OrderedDict[Key, array[int]] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()

    def get(self, key: Key, read: Callable[[], Sequence[int]]) -> array[int]:
        """Return the positions of ``key``; call ``read`` when they are not cached."""
        with self._lock:
            cached = self._entries.get(key)
            if cached is not None:
                self._entries.move_to_end(key)
                return cached
        positions = array("I", read())
        if len(positions) <= self._limit:
            self._store(key, positions)
        return positions

    def _store(self, key: Key, positions: array[int]) -> None:
        with self._lock:
            if key in self._entries:
                return
            self._entries[key] = positions
            self._count += len(positions)
            while self._count > self._limit:
                _, evicted = self._entries.popitem(last=False)
                self._count -= len(evicted)


def start_of(hidden: Sequence[int], offset: int) -> int:
    """Return the position after which the visible rows from ``offset`` on start.

    ``hidden[j] - 1 - j`` visible rows precede the hidden row number ``j``. That number does not
    decrease with ``j``, so the hidden rows to skip are counted by bisection.
    """
    skipped = bisect_right(range(len(hidden)), offset, key=lambda j: hidden[j] - 1 - j)
    return offset + skipped
