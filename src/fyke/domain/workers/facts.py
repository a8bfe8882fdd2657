"""Statistics of a worker's runs across all accounts, without data of any account.

They are updated in the transaction that ends a run and never computed from the history, so that a
page of the catalog costs the same after a million runs. A deleted run stays counted.
"""

from __future__ import annotations

from fyke.model.run import Outcome
from fyke.model.worker import GOOD

RECENT = 30  # runs that the success rate covers
BAD = "-"

# Not counted for the worker: requested by a user, or caused by the platform.
_NEUTRAL = frozenset(
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
    """How an outcome counts for its worker: ``+``, ``-``, or ``""`` for neither."""
    if outcome is Outcome.SUCCEEDED:
        return GOOD
    return "" if outcome is None or outcome in _NEUTRAL else BAD
