"""Where the rows of hidden attempts are, so that a page deep in a run costs what the first does.

A hidden attempt has ended: no row joins it any more, none moves. So its positions are read once
and kept, four bytes each, and the row at any offset among the visible ones is found by halving.
"""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence

MAX_KEPT = 4_000_000  # positions across all entries: 16 MB

Key = tuple[int, ...]


class HiddenPositions:
    """Sorted positions by run and attempts; the least used go first. Safe between threads."""

    def __init__(self, limit: int = MAX_KEPT) -> None:
        self._limit = limit
        self._kept: OrderedDict[Key, array[int]] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()

    def get(self, key: Key, read: Callable[[], Sequence[int]]) -> array[int]:
        """The positions under ``key``, which never change; ``read`` is asked when unknown."""
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
                return known
        found = array("I", read())
        if len(found) <= self._limit:
            self._keep(key, found)
        return found

    def _keep(self, key: Key, found: array[int]) -> None:
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = found
            self._count += len(found)
            while self._count > self._limit:
                _, gone = self._kept.popitem(last=False)
                self._count -= len(gone)


def start_of(hidden: Sequence[int], offset: int) -> int:
    """The position after which the visible rows from ``offset`` on start.

    Before the hidden position number ``j`` there are ``hidden[j] - 1 - j`` visible ones; that
    never falls with ``j``, so the hidden ones to step over can be found by halving.
    """
    over = bisect_right(range(len(hidden)), offset, key=lambda j: hidden[j] - 1 - j)
    return offset + over
