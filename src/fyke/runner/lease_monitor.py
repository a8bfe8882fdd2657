"""Stops the Workers of a runner that is cut off from the database while others reach it, before
another process may declare its attempts lost. A shared outage stops nothing.

Times are monotonic and do not depend on a report that hangs.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable

LOOK_SECONDS = 0.5
# A lease lasts 15 s. Of these, ``alone`` takes up to 3 s, and a Worker has 5 s to end after
# SIGTERM.
FENCE_SECONDS = 6.0
GAP_SECONDS = 3.0
SERVER_SILENCE_MS = 15_000  # a server without a heartbeat for so long is not counted


async def never_alone(servers: int) -> bool:
    """The function ``alone`` for a database file, from which no runner can be cut off."""
    return False


class LeaseMonitor:
    """Knows when each attempt was last renewed. ``alone`` gets the last known number of servers,
    and returns whether only this runner is cut off.
    """

    def __init__(
        self,
        alone: Callable[[int], Awaitable[bool]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._alone = alone
        self._clock = clock
        self._renewed: dict[str, float] = {}
        self._looked = clock()
        self.servers = 0

    def now(self) -> float:
        """The time to pass to ``renewed``, taken before the call that renews."""
        return self._clock()

    def renewed(self, attempt_ids: Iterable[str], at: float) -> None:
        """Note that a call that began at ``at`` has leased or renewed these attempts."""
        for attempt_id in attempt_ids:
            self._renewed[attempt_id] = at

    def forget(self, attempt_id: str) -> None:
        """Stop monitoring this attempt."""
        self._renewed.pop(attempt_id, None)

    async def overdue(self) -> list[str]:
        """The attempts that must be stopped now. Call it every ``LOOK_SECONDS``.

        After a shared outage, and after a gap between two calls, for example on a paused machine,
        every attempt has a full new term, as the servers give every lease one.
        """
        now = self._clock()
        if now - self._looked > GAP_SECONDS:
            self._renew_all(now)
        late = [key for key, at in self._renewed.items() if now - at > FENCE_SECONDS]
        alone = bool(late) and await self._alone(self.servers)
        self._looked = self._clock()
        if late and not alone:
            self._renew_all(self._looked)
        return [key for key in late if key in self._renewed] if alone else []

    def _renew_all(self, at: float) -> None:
        self._renewed = dict.fromkeys(self._renewed, at)
