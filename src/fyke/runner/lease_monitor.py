"""Stops the Workers of a runner that is cut off from the database while others reach it, before
another process may declare its attempts lost. A database that is down for all stops nothing.

Times are monotonic and do not depend on a report that hangs.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable

from fyke.model.node import ContactState
from fyke.model.runner import LEASE_SECONDS

CHECK_INTERVAL = 0.5
# of a lease: ``contact`` takes up to 3 s, a Worker has 5 s to end after SIGTERM, 1 s is a reserve
STOP_SECONDS = 9.0
GAP_SECONDS = 3.0
NOT_RENEWED = "its lease could not be renewed, and others may reach the database and end it soon"


class LeaseMonitor:
    """Knows when each attempt was last renewed. ``contact`` is that of ``NodeGateway``. It is asked
    when an attempt was not renewed for so long that ``STOP_SECONDS`` are left of its lease.
    """

    def __init__(
        self,
        contact: Callable[[], Awaitable[ContactState]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._contact = contact
        self._clock = clock
        self._renewed: dict[str, float] = {}
        self._checked_at = clock()
        self.lease_seconds = LEASE_SECONDS

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

        After an outage for all, and after a gap between two calls, for example on a paused machine,
        every attempt has a full new term, as the servers give every lease one.
        """
        now = self._clock()
        if now - self._checked_at > GAP_SECONDS:
            self._renew_all(now)
        overdue = self.lease_seconds - STOP_SECONDS
        late = [key for key, at in self._renewed.items() if now - at > overdue]
        is_cut_off = bool(late) and await self._contact() is ContactState.CUT_OFF
        self._checked_at = self._clock()
        if not is_cut_off:
            if late:
                self._renew_all(self._checked_at)
            return []
        return [key for key in late if key in self._renewed]

    def _renew_all(self, at: float) -> None:
        self._renewed = dict.fromkeys(self._renewed, at)
