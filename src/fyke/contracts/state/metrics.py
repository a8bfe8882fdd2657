"""Numbers of a whole installation, for its metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from fyke.model.billing import UsageSums
from fyke.model.metrics import ActiveAttempts, EndedRuns, PendingDeliveries


class MetricStore(Protocol):
    """Sums across all accounts. Their cost does not grow with the number of past runs."""

    def active_attempts(self, now: int) -> Sequence[ActiveAttempts]:
        """The leased attempts by pool; pools without any are left out. ``now`` in ms."""
        ...

    def waiting_runs(self) -> Mapping[str, int]:
        """How many runs have not started, by pool; pools without any are left out."""
        ...

    def oldest_waiting(self, pool: str, limit: int) -> Sequence[str]:
        """Ids of runs of the pool that have not started, the oldest first."""
        ...

    def runs_by_state(self) -> Mapping[str, int]:
        """How many runs there are, by state; states without any are left out."""
        ...

    def ended_runs(self, since: int, limit: int) -> Sequence[EndedRuns]:
        """How the last ``limit`` runs that have ended since then (ms) have ended, most first."""
        ...

    def pending_deliveries(self) -> Sequence[PendingDeliveries]:
        """The deliveries that are still to be sent, by kind; kinds without any are left out."""
        ...

    def usage(self, first: int, last: int) -> UsageSums:
        """The usage of all accounts on the days (20261124) from ``first`` to ``last``."""
        ...
