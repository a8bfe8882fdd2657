"""What the runs of a worker say about it, over all accounts: figures only, nobody's data.

They are counted in the transaction that ends a run and never looked up in the history, so that a
page of the catalog costs the same after a million runs. A run that was deleted stays counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from fyke.domain.runs.model import Outcome
from fyke.domain.workers.model import Finding

RECENT = 30  # ends that the success rate looks at
GOOD, BAD = "+", "-"

# Ends that say nothing about the worker: somebody wanted it so, or we failed and not the worker.
_NOT_ITS_FAULT = frozenset(
    {
        Outcome.ABORTED,
        Outcome.TRAFFIC_CAP,
        Outcome.CHARGE_CAP,
        Outcome.WORKER_DELETED,
        Outcome.ISOLATION_REFUSED,
        Outcome.RUNNER_LOST,
        Outcome.INTERNAL,
    }
)


def verdict(outcome: Outcome | None) -> str:
    """What the end of a run says of its worker: ``+``, ``-``, or ``""`` for nothing."""
    if outcome is Outcome.SUCCEEDED:
        return GOOD
    return "" if outcome is None or outcome in _NOT_ITS_FAULT else BAD


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """Runs of all accounts that have ended. ``runs`` also has those that say nothing about the
    worker; ``recent`` holds a ``+`` or ``-`` for each of the last ones that do, newest last.
    """

    worker_id: str = ""
    runs: int = 0
    succeeded: int = 0
    failed: int = 0
    last_ok_at: int = 0  # ms, 0 = never
    recent: str = ""

    @property
    def judged(self) -> int:
        """How many runs the success rate stands on, at most ``RECENT``."""
        return len(self.recent)

    @property
    def success_rate(self) -> float | None:
        """Share of the recent runs that succeeded, 0 to 1; None before the first."""
        return self.recent.count(GOOD) / self.judged if self.judged else None


NO_FACTS = WorkerFacts()


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """What was seen of a version when it was published. ``size`` is bytes of the bundle."""

    size: int
    findings: tuple[Finding, ...] = ()
