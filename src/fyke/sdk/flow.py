"""What keeps one attempt from taking more than its share of the runner: memory and time.

``Admission`` bounds memory. A message of up to 64 KiB fits into the window that every stream has
from the start. A larger one says its length in its first five bytes and is let in as a whole, as
long as the large messages of the attempt stay under a limit together; else it waits its turn.

``Pace`` bounds time. Work is counted in units of about five microseconds. In one turn of the
event loop an attempt gets ``TURN_UNITS`` over all its connections, then the others are heard.
Frames that complete no call (PING, SETTINGS, resets) draw on a budget besides; when that is used
up, the connection is not read until it has filled again, and the flooder's own socket is what
fills up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

LARGE_BYTES = 64 * 2**20
TURN_UNITS = 200
BUDGET_BURST = 2000.0
BUDGET_PER_SECOND = 500.0
CREDIT_PER_CALL = 4.0


class Admission:
    """Large messages that are being received or handled, in bytes, over one attempt."""

    def __init__(self, limit: int = LARGE_BYTES) -> None:
        self._limit = limit
        self._used = 0
        self._waiting: deque[tuple[int, Callable[[], bool]]] = deque()

    def request(self, size: int, grant: Callable[[], bool]) -> None:
        """Call ``grant`` once there is room; it returns False when nobody wants it any more."""
        self._waiting.append((size, grant))
        self._grant_waiting()

    def release(self, size: int) -> None:
        """A granted message is done with."""
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


class Pace:
    """Turns and the budget of useless frames, over all connections of one attempt."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
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

    @property
    def overdrawn(self) -> bool:
        return self._budget < 0

    def pause(self) -> float:
        """Seconds until reading may go on; 0 when it may now."""
        now = self._loop.time()
        self._budget = min(BUDGET_BURST, self._budget + (now - self._filled_at) * BUDGET_PER_SECOND)
        self._filled_at = now
        if self._budget >= 0:
            return 0.0
        return min(1.0, (10 - self._budget) / BUDGET_PER_SECOND)
