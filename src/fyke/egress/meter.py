"""Counts the bytes of one attempt, all its connections together, and cuts off at the byte.

What counts is what passes between the attempt and its targets, both ways: the handshake with the
proxy itself does not. Both sides see the same figure when they count their own bytes.

The counters live in memory that may be shared with the runner's process: the
runner reads them without asking, and an egress process that is killed leaves them behind for the
next one, so that neither totals nor limit are lost.
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
    """Return a descriptor of fresh shared counters, of ``size`` bytes in all; the caller
    closes it.
    """
    descriptor = os.memfd_create("egress-counters", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, size)
    return descriptor


def map_shared(descriptor: int) -> memoryview:
    """Return the counters of a descriptor. Raise ``ValueError`` when it is too small."""
    if os.fstat(descriptor).st_size < SHARED_SIZE:
        raise ValueError("the counters' memory is too small")
    return memoryview(mmap.mmap(descriptor, SHARED_SIZE)).cast("Q")[:CELLS]


def read(cells: Cells) -> Traffic:
    """Read counters as the contract shows them."""
    return Traffic(
        up=cells[UP],
        down=cells[DOWN],
        connections=cells[CONNECTIONS],
        refused=cells[REFUSED],
    )


class Meter:
    """The counters of one attempt. ``limit`` in bytes, both ways together; None is no limit.

    The limit trips at the first byte beyond it, so a transfer of exactly the limit is
    complete. ``close`` makes the counters final: no further bytes pass.
    """

    __slots__ = ("_cells", "_left")

    def __init__(self, limit: int | None = None, cells: Cells | None = None) -> None:
        self._cells: Cells = [0] * CELLS if cells is None else cells
        passed = self._cells[UP] + self._cells[DOWN]
        self._left = None if limit is None else max(0, limit - passed)
        if self.tripped:
            self._left = 0

    @property
    def tripped(self) -> bool:
        return bool(self._cells[TRIPPED])

    @property
    def traffic(self) -> Traffic:
        return read(self._cells)

    def take(self, count: int, direction: int) -> int:
        """Count up to ``count`` bytes going ``UP`` or ``DOWN``; return how many may pass."""
        left = self._left
        if left is not None:
            if count > left:
                count = left
                self._cells[TRIPPED] = 1
            self._left = left - count
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
        self._left = 0
        return final
