"""Whose run it is, asked inside one transaction together with what hides its rows."""

from __future__ import annotations

from fyke.domain.accounts.model import Caller
from fyke.domain.contracts import Transaction
from fyke.domain.runs.model import Run
from fyke.errors import RunNotFound
from fyke.kit.ids import is_ulid


def existing_run(tx: Transaction, run_id: str) -> Run:
    """Raises ``RunNotFound``. For callers that hold a permission of another kind."""
    run = tx.runs.get(run_id) if is_ulid(run_id) else None
    if run is None:
        raise RunNotFound
    return run


def own_run(tx: Transaction, caller: Caller, run_id: str) -> Run:
    """Raises ``RunNotFound``, also for another account's run, in the same words."""
    run = existing_run(tx, run_id)
    if run.account_id != caller.account_id:
        raise RunNotFound
    return run
