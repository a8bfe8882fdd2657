"""Reports an attempt's per-site traffic when it has changed, at most every five seconds.

An attempt has counters for up to 201 sites, and each report of them is a database write. Changes
after the last report are part of the report at the attempt's end.
"""

from __future__ import annotations

from collections.abc import Callable

from fyke.contracts.egress import SiteTraffic

EVERY_SECONDS = 5.0


class SiteReports:
    """The reports of one attempt; ``read_counters`` returns its current counters."""

    def __init__(self, read_counters: Callable[[], tuple[SiteTraffic, ...]]) -> None:
        self._read_counters = read_counters
        self._confirmed: tuple[SiteTraffic, ...] = ()
        self._next = 0.0  # seconds, on the clock of ``due``

    def due(self, now: float) -> tuple[SiteTraffic, ...] | None:
        """Return what to report at ``now`` (monotonic seconds), or None."""
        if now < self._next:
            return None
        sites = self._read_counters()
        if sites == self._confirmed:
            return None
        self._next = now + EVERY_SECONDS
        return sites

    def confirm(self, sites: tuple[SiteTraffic, ...] | None) -> None:
        """Note that ``sites`` were stored; until then the report is repeated."""
        if sites is not None:
            self._confirmed = sites
