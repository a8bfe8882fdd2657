"""Limits the share of the runner that one attempt can use: memory and time.

``Admission`` bounds memory. A message of up to 64 KiB fits into the window that every stream has
from the start. The first five bytes of a larger one contain its length; it is admitted as a whole
while the large messages of the attempt together stay under a limit, otherwise it waits.

``WorkLimiter`` bounds time, in three ways. Work is counted in units of about five microseconds, and
in one turn of the event loop an attempt gets ``TURN_UNITS`` for all its connections; then others
are read. Frames that complete no call (PING, SETTINGS, resets) are charged to a budget. The time of
the work is measured: while other attempts are active, one may take ``SHARE`` of the loop's time, so
that a new call mostly finds the loop idle. An attempt over the budget or the share is not read
until it is below them again, so only its own socket fills up.
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
SHARE = 0.35  # of the loop's time: less than half, so that most calls of others do not wait
BURST_SECONDS = 0.004  # of work without a pause
ALONE_SECONDS = 1.0  # the share applies until others have ended, or not called for this long


class Admission:
    """The bytes of large messages of one attempt that are being received or handled."""

    def __init__(self, limit: int = LARGE_BYTES) -> None:
        self._limit = limit
        self._used = 0
        self._pending: deque[tuple[int, Callable[[], bool]]] = deque()

    def request(self, size: int, grant: Callable[[], bool]) -> None:
        """Call ``grant`` once there is room; it returns False when its call has ended."""
        self._pending.append((size, grant))
        self._grant_pending()

    def release(self, size: int) -> None:
        """Return the bytes of a granted message."""
        self._used -= size
        self._grant_pending()

    def _grant_pending(self) -> None:
        while self._pending:
            size, grant = self._pending[0]
            if self._used and self._used + size > self._limit:
                return
            self._pending.popleft()
            self._used += size
            if not grant():
                self._used -= size


class ConnectionGroup:
    """The attempts on one event loop: finds whether one is alone there."""

    _of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, ConnectionGroup] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._latest: object = None
        self._others: dict[object, float] = {}  # when another followed each

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> ConnectionGroup:
        return cls._of_loops.setdefault(loop, cls())

    def record_activity(self, key: object, now: float) -> None:
        """``key`` identifies an attempt. It is kept, so it must not be the attempt itself."""
        if key is not self._latest:
            if self._latest is not None:
                self._others[self._latest] = now
            self._others.pop(key, None)
            self._latest = key

    def is_alone(self, key: object, now: float) -> bool:
        self._others = {k: at for k, at in self._others.items() if now - at <= ALONE_SECONDS}
        return self._latest is key and not self._others

    def forget(self, key: object) -> None:
        """Attempts that have ended do not count as others any more."""
        self._others.pop(key, None)
        if self._latest is key:
            self._latest = None


class WorkLimiter:
    """Turns, the budget for frames without a call, and the share of time, for all connections of
    one attempt.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._group = ConnectionGroup.of(loop)
        self._key = object()
        self._debt = 0.0  # seconds of work beyond the share
        self._debt_updated_at = time.perf_counter()
        self._work_started_at = 0.0  # 0 while no work is measured
        self.units = TURN_UNITS
        self._refilling = False
        self._budget = BUDGET_BURST
        self._budget_updated_at = loop.time()

    def close(self) -> None:
        """The attempt has ended."""
        self._group.forget(self._key)

    def spend(self, units: int) -> None:
        """Count work in the current turn."""
        self.units -= units
        if self.units < TURN_UNITS // 2 and not self._refilling:
            self._refilling = True
            self._loop.call_soon(self._refill)

    def _refill(self) -> None:
        self._refilling = False
        self.units = TURN_UNITS

    def charge(self, cost: float = 1.0) -> None:
        """Charge a frame that completes no call to the budget."""
        self._budget -= cost

    def credit(self, amount: float = CREDIT_PER_CALL) -> None:
        """Add to the budget for a call, or for a large piece of a message."""
        self._budget = min(BUDGET_BURST, self._budget + amount)

    def begin_work(self) -> bool:
        """Start to measure; False when the work is part of measured work."""
        if self._work_started_at:
            return False
        self._work_started_at = time.perf_counter()
        self._group.record_activity(self._key, self._work_started_at)
        return True

    def end_work(self) -> None:
        """End the measurement for which ``begin_work`` returned True."""
        now = time.perf_counter()
        seconds, self._work_started_at = now - self._work_started_at, 0.0
        self._debt = max(0.0, self._debt - (now - self._debt_updated_at) * SHARE) + seconds
        self._debt_updated_at = now

    def add_debt(self, seconds: float) -> None:
        """Count work in other threads, which share the time with the loop."""
        self._debt += seconds

    def pause(self) -> float:
        """Seconds until reading may continue."""
        return max(self._budget_pause(), self._share_pause())

    def _share_pause(self) -> float:
        if self._debt <= BURST_SECONDS:
            return 0.0
        now = time.perf_counter()
        debt = self._debt - (now - self._debt_updated_at) * SHARE
        if self._group.is_alone(self._key, now):
            self._debt = min(self._debt, BURST_SECONDS)
            return 0.0
        return min(1.0, (debt - BURST_SECONDS / 2) / SHARE) if debt > BURST_SECONDS else 0.0

    @property
    def is_over_budget(self) -> bool:
        return self._budget < 0

    def _budget_pause(self) -> float:
        if not self.is_over_budget:
            return 0.0
        now = self._loop.time()
        self._budget = min(
            BUDGET_BURST, self._budget + (now - self._budget_updated_at) * BUDGET_PER_SECOND
        )
        self._budget_updated_at = now
        if self._budget >= 0:
            return 0.0
        return min(1.0, (10 - self._budget) / BUDGET_PER_SECOND)
