"""Stops the Workers of a runner that is cut off from the database while others reach it, before
another process may declare its attempts lost. A shared outage stops nothing.

Times are monotonic and do not depend on a report that hangs.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable

from fyke.model.runner import LEASE_SECONDS

CHECK_INTERVAL = 0.5
# of a lease: ``is_cut_off`` takes up to 3 s, a Worker has 5 s to end after SIGTERM, 1 s is a reserve
STOP_SECONDS = 9.0
GAP_SECONDS = 3.0
SERVER_SILENCE_MS = 15_000  # a server without a heartbeat for so long is not counted


async def never_cut_off(servers: int) -> bool:
    """``is_cut_off`` for a database file, from which no runner can be cut off."""
    return False


class LeaseMonitor:
    """Knows when each attempt was last renewed. ``is_cut_off`` gets the last known number of
    servers, and returns whether only this runner is cut off. It is asked when an attempt was not
    renewed for so long that ``STOP_SECONDS`` are left of its lease.
    """

    def __init__(
        self,
        is_cut_off: Callable[[int], Awaitable[bool]],
        *,
        lease_seconds: float = LEASE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._is_cut_off = is_cut_off
        self._overdue_seconds = lease_seconds - STOP_SECONDS
        self._clock = clock
        self._renewed: dict[str, float] = {}
        self._checked_at = clock()
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
        """The attempts that must be stopped now. Call it every ``CHECK_INTERVAL``.

        After a shared outage, and after a gap between two calls, for example on a paused machine,
        every attempt has a full new term, as the servers give every lease one.
        """
        now = self._clock()
        if now - self._checked_at > GAP_SECONDS:
            self._renew_all(now)
        late = [key for key, at in self._renewed.items() if now - at > self._overdue_seconds]
        is_cut_off = bool(late) and await self._is_cut_off(self.servers)
        self._checked_at = self._clock()
        if late and not is_cut_off:
            self._renew_all(self._checked_at)
        return [key for key in late if key in self._renewed] if is_cut_off else []

    def _renew_all(self, at: float) -> None:
        self._renewed = dict.fromkeys(self._renewed, at)
