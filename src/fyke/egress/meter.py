"""Counts the bytes of all connections of one attempt, and cuts off exactly at the limit.

Bytes between the attempt and its targets count, in both directions; the handshake with the proxy
does not. So attempt and target count the same number.

The counters are in memory that may be shared with the runner's process: the runner reads them
without a request, and the next egress process continues with them when one was killed.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import MutableSequence

from fyke.contracts.egress import Traffic

UP, DOWN, CONNECTIONS, REFUSED, TRIPPED = range(5)
CELLS = 5
SHARED_SIZE = 4096

Cells = MutableSequence[int] | memoryview


def make_shared(size: int = SHARED_SIZE) -> int:
    """Return a descriptor of new shared memory of ``size`` bytes; the caller closes it."""
    descriptor = os.memfd_create("egress-counters", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, size)
    return descriptor


def map_shared(descriptor: int) -> memoryview:
    """Return the counters of a descriptor. Raise ``ValueError`` when it is too small."""
    if os.fstat(descriptor).st_size < SHARED_SIZE:
        raise ValueError("the memory of the counters is too small")
    return memoryview(mmap.mmap(descriptor, SHARED_SIZE)).cast("Q")[:CELLS]


def read(cells: Cells) -> Traffic:
    """The counters as ``Traffic``."""
    return Traffic(
        up=cells[UP],
        down=cells[DOWN],
        connections=cells[CONNECTIONS],
        refused=cells[REFUSED],
    )


class Meter:
    """The counters of one attempt. ``limit`` in bytes, for both directions together; None is no
    limit. The first byte beyond it trips the meter, so a transfer of exactly the limit is complete.
    """

    __slots__ = ("_cells", "_remaining")

    def __init__(self, limit: int | None = None, cells: Cells | None = None) -> None:
        self._cells: Cells = [0] * CELLS if cells is None else cells
        counted = self._cells[UP] + self._cells[DOWN]
        self._remaining = None if limit is None else max(0, limit - counted)
        if self.tripped:
            self._remaining = 0

    @property
    def tripped(self) -> bool:
        return bool(self._cells[TRIPPED])

    @property
    def traffic(self) -> Traffic:
        return read(self._cells)

    def take(self, count: int, direction: int) -> int:
        """Count up to ``count`` bytes going ``UP`` or ``DOWN``; return how many may pass."""
        remaining = self._remaining
        if remaining is not None:
            if count > remaining:
                count = remaining
                self._cells[TRIPPED] = 1
            self._remaining = remaining - count
        self._cells[direction] += count
        return count

    def connected(self) -> None:
        self._cells[CONNECTIONS] += 1

    def refused(self) -> None:
        self._cells[REFUSED] += 1

    def close(self) -> Traffic:
        """Refuse further bytes and return the final counters."""
        final = self.traffic
        self._cells = [final.up, final.down, final.connections, final.refused, int(self.tripped)]
        self._remaining = 0
        return final
