"""Figures of a worker's runs across all accounts, without data of any account.

They are updated in the transaction that ends a run and never computed from the history, so that a
page of the catalog costs the same after a million runs. A deleted run stays counted.
"""

from __future__ import annotations

from fyke.model.run import Outcome
from fyke.model.worker import GOOD

RECENT = 30  # ends that the success rate looks at
BAD = "-"

# Ends that say nothing about the worker: requested by a user, or caused by the platform.
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
    """What the end of a run says about its worker: ``+``, ``-``, or ``""`` for nothing."""
    if outcome is Outcome.SUCCEEDED:
        return GOOD
    return "" if outcome is None or outcome in _NOT_ITS_FAULT else BAD
