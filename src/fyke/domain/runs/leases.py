"""Decides which leases have expired, without a shared clock.

A lease has expired when this process has checked it regularly for a full term, could write the
state at each check, and has not seen it renewed. The times in the database are not compared with
any clock: a clock step, a suspended machine or a database outage would expire the leases of healthy
runners.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MAX_GAP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Seen:
    until: int  # the lease as stored; only whether it changes matters
    since: float  # when it was first seen like this, monotonic seconds


class LeaseWatch:
    """Remembers when each lease was last seen to change. ``term`` is in seconds."""

    def __init__(self, term: float) -> None:
        self._term = term
        self._seen: dict[str, _Seen] = {}
        self._looked_at: float | None = None

    def expired(self, leases: Mapping[str, int], began: float, ended: float) -> dict[str, int]:
        """Return the expired ones among ``leases`` (attempt id: end of the lease as stored), which
        were read between the monotonic times ``began`` and ``ended``.

        After more than ``MAX_GAP_SECONDS`` without a check, or a check that took as long, every
        lease gets a full new term.
        """
        if self._looked_at is None or ended - self._looked_at > MAX_GAP_SECONDS:
            self.restart()
        self._looked_at = ended
        self._seen = {name: self._look(name, until, ended) for name, until in leases.items()}
        return {
            name: sighting.until
            for name, sighting in self._seen.items()
            if began - sighting.since >= self._term
        }

    def restart(self, name: str | None = None) -> None:
        """Give the lease of this attempt a full new term; without ``name`` every lease."""
        if name is None:
            self._seen = {}
        else:
            self._seen.pop(name, None)

    def _look(self, name: str, until: int, at: float) -> _Seen:
        before = self._seen.get(name)
        return before if before is not None and before.until == until else _Seen(until, at)
