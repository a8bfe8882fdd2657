"""Says to runners that subtasks of a run wait, and which environment they need.

Where many machines are connected, a few are asked first: those that have the environment.
"""

from __future__ import annotations

from fyke.contracts.signals import WORK, WORK_FOR
from fyke.contracts.state import Transaction
from fyke.model.run import Run


def offer_work(tx: Transaction, run: Run, after_ms: int = 0) -> None:
    """Notify the runners that subtasks of the run wait, or will after this time."""
    if run.environment:
        tx.notify(f"{WORK_FOR}{run.environment}", after_ms)  # first, so that it is known by then
    tx.notify(WORK, after_ms)
