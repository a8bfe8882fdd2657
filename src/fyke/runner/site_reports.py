"""When an attempt's traffic by site is worth a report: it has changed, and not just now.

The counters of an attempt are a line each for up to 201 sites, and every report of them is a write
to the database, so they go there every few seconds only. What is missed by that comes at the end.
"""

from __future__ import annotations

from collections.abc import Callable

from fyke.contracts.egress import SiteTraffic

EVERY_SECONDS = 5.0


class SiteReports:
    """Of one attempt; ``look`` returns its counters as they are now."""

    def __init__(self, look: Callable[[], tuple[SiteTraffic, ...]]) -> None:
        self._look = look
        self._confirmed: tuple[SiteTraffic, ...] = ()
        self._next = 0.0  # by the clock of ``due``

    def due(self, now: float) -> tuple[SiteTraffic, ...] | None:
        """What to report at ``now``, a monotonic clock in seconds; None when there is nothing."""
        if now < self._next:
            return None
        sites = self._look()
        if sites == self._confirmed:
            return None
        self._next = now + EVERY_SECONDS
        return sites

    def confirmed(self, sites: tuple[SiteTraffic, ...] | None) -> None:
        """It has arrived; until then the same is due again, a little later."""
        if sites is not None:
            self._confirmed = sites
