"""What is counted for the metrics of an installation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ActiveAttempts:
    """The attempts of a pool that are leased: ``attempts`` in total, of which ``preparing`` have
    not started their Worker yet, and ``expired`` have a lease that was not renewed in time.
    ``traffic_bytes`` and ``cpu_ms`` are their last reported usage.
    """

    pool: str
    attempts: int
    preparing: int
    expired: int
    traffic_bytes: int
    cpu_ms: int


@dataclass(frozen=True, slots=True)
class EndedRuns:
    """The number of ended ``runs`` with a state, an outcome and the code of a reason, "" for runs
    without one.
    """

    state: str
    outcome: str
    reason: str
    runs: int


@dataclass(frozen=True, slots=True)
class PendingDeliveries:
    """The deliveries of a kind that are still to be sent; the first of them is, or was, due at
    ``next_at`` (ms).
    """

    kind: str
    deliveries: int
    next_at: int
