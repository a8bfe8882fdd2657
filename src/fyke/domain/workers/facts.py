"""What the runs of a worker say about it, over all accounts: figures only, nobody's data.

They are counted in the transaction that ends a run and never looked up in the history, so that a
page of the catalog costs the same after a million runs. A run that was deleted stays counted.
"""

from __future__ import annotations

from fyke.model.run import Outcome
from fyke.model.worker import GOOD

RECENT = 30  # ends that the success rate looks at
BAD = "-"

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
