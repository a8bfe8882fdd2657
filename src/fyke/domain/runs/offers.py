"""Says to runners that subtasks of a run wait."""

from __future__ import annotations

from fyke.contracts.signals import WORK
from fyke.contracts.state import Transaction
from fyke.model.run import Run


def offer_work(tx: Transaction, _run: Run, after_ms: int = 0) -> None:
    """Notify the runners that subtasks of the run wait, or will after this time."""
    tx.notify(WORK, after_ms)
