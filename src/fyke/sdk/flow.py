"""Limits the share of the runner that one attempt can use: memory and time.

``Admission`` bounds memory. A message of up to 64 KiB fits into the window that every stream has
from the start. A larger one has its length in its first five bytes and is admitted whole, while
the large messages of the attempt together stay under a limit; else it waits its turn.

``Pace`` bounds time, in three ways. Work is counted in units of about five microseconds, and in
one turn of the event loop an attempt gets ``TURN_UNITS`` for all its connections, then the others
are read. Frames that complete no call (PING, SETTINGS, resets) also draw on a budget. And the time
that the work took is measured: while other attempts are active, one may take ``SHARE`` of the
loop's time, so that a new call mostly finds the loop idle. An attempt over the budget or the share
is not read until it has made up for it, so only its own socket fills up.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from weakref import WeakKeyDictionary

LARGE_BYTES = 64 * 2**20
TURN_UNITS = 200
BUDGET_BURST = 2000.0
BUDGET_PER_SECOND = 500.0
CREDIT_PER_CALL = 4.0
SHARE = 0.35  # of the loop's time: less than half, so that most calls of others need not wait
BURST_SECONDS = 0.004  # of work that is never paused for
ALONE_SECONDS = 1.0  # without activity of another attempt: then the share does not apply


class Admission:
    """Large messages that are being received or handled, in bytes, over one attempt."""

    def __init__(self, limit: int = LARGE_BYTES) -> None:
        self._limit = limit
        self._used = 0
        self._waiting: deque[tuple[int, Callable[[], bool]]] = deque()

    def request(self, size: int, grant: Callable[[], bool]) -> None:
        """Call ``grant`` once there is room; it returns False when it is no longer needed."""
        self._waiting.append((size, grant))
        self._grant_waiting()

    def release(self, size: int) -> None:
        """Return the bytes of a granted message."""
        self._used -= size
        self._grant_waiting()

    def _grant_waiting(self) -> None:
        while self._waiting:
            size, grant = self._waiting[0]
            if self._used and self._used + size > self._limit:
                return
            self._waiting.popleft()
            self._used += size
            if not grant():
                self._used -= size


class ConnectionGroup:
    """Who speaks on one event loop: whether an attempt is alone there."""

    _of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, ConnectionGroup] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._latest: object = None
        self._changed_at = 0.0

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> ConnectionGroup:
        return cls._of_loops.setdefault(loop, cls())

    def heard(self, who: object, now: float) -> None:
        """``who`` is a mark of the attempt's own, not the attempt: it is held."""
        if who is not self._latest:
            self._changed_at = now if self._latest else -ALONE_SECONDS
            self._latest = who

    def alone(self, who: object, now: float) -> bool:
        return self._latest is who and now - self._changed_at > ALONE_SECONDS


class Pace:
    """Turns, the budget of useless frames and the share of time, across all connections of one
    attempt.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._neighbours = ConnectionGroup.of(loop)
        self._mark = object()
        self._debt = 0.0  # seconds of work that the share has not paid for yet
        self._paid_at = time.perf_counter()
        self._began = 0.0  # when the measured work began, 0 when there is none
        self.units = TURN_UNITS
        self._refilling = False
        self._budget = BUDGET_BURST
        self._filled_at = loop.time()

    def spend(self, units: int) -> None:
        """Count work in the present turn."""
        self.units -= units
        if self.units < TURN_UNITS // 2 and not self._refilling:
            self._refilling = True
            self._loop.call_soon(self._refill)

    def _refill(self) -> None:
        self._refilling = False
        self.units = TURN_UNITS

    def useless(self, cost: float = 1.0) -> None:
        """A frame that completes nothing."""
        self._budget -= cost

    def useful(self, credit: float = CREDIT_PER_CALL) -> None:
        """A call, or a good piece of a large message."""
        self._budget = min(BUDGET_BURST, self._budget + credit)

    def begin(self) -> bool:
        """Work begins; False when it is part of some that is measured already."""
        if self._began:
            return False
        self._began = time.perf_counter()
        self._neighbours.heard(self._mark, self._began)
        return True

    def end(self) -> None:
        """The work that ``begin`` returned True for is done."""
        now = time.perf_counter()
        seconds, self._began = now - self._began, 0.0
        self._debt = max(0.0, self._debt - (now - self._paid_at) * SHARE) + seconds
        self._paid_at = now

    def owe(self, seconds: float) -> None:
        """Work that others will do for us, in threads that the loop has to share the time with."""
        self._debt += seconds

    def pause(self) -> float:
        """Seconds until reading may continue; 0 for now."""
        return max(self._pause_of_budget(), self._pause_of_share())

    def _pause_of_share(self) -> float:
        if self._debt <= BURST_SECONDS:
            return 0.0
        now = time.perf_counter()
        debt = self._debt - (now - self._paid_at) * SHARE
        if self._neighbours.alone(self._mark, now):
            self._debt = min(self._debt, BURST_SECONDS)
            return 0.0
        return min(1.0, (debt - BURST_SECONDS / 2) / SHARE) if debt > BURST_SECONDS else 0.0

    @property
    def overdrawn(self) -> bool:
        return self._budget < 0

    def _pause_of_budget(self) -> float:
        if not self.overdrawn:
            return 0.0
        now = self._loop.time()
        self._budget = min(BUDGET_BURST, self._budget + (now - self._filled_at) * BUDGET_PER_SECOND)
        self._filled_at = now
        if self._budget >= 0:
            return 0.0
        return min(1.0, (10 - self._budget) / BUDGET_PER_SECOND)
