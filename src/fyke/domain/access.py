"""Checks inside a transaction that an object belongs to the caller's account."""

from __future__ import annotations

from fyke.contracts.state import Transaction
from fyke.errors import NotFound, RunNotFound, TaskNotFound
from fyke.kit.ids import is_ulid
from fyke.model.account import Caller
from fyke.model.run import Run
from fyke.model.task import Task
from fyke.model.webhook import Endpoint


def existing_run(tx: Transaction, run_id: str) -> Run:
    """Raises ``RunNotFound``. For requests that are authorised in another way."""
    run = tx.runs.get(run_id) if is_ulid(run_id) else None
    if run is None:
        raise RunNotFound
    return run


def own_run(tx: Transaction, caller: Caller, run_id: str) -> Run:
    """Raises ``RunNotFound``, including for another account's run, in the same words."""
    run = existing_run(tx, run_id)
    if run.account_id != caller.account_id:
        raise RunNotFound
    return run


def own_task(tx: Transaction, caller: Caller, task_id: str) -> Task:
    """The caller's task. Raises ``TaskNotFound``, including for another account's."""
    return _theirs(tx.tasks.get(task_id) if is_ulid(task_id) else None, caller)


def own_task_to_change(tx: Transaction, caller: Caller, task_id: str) -> Task:
    """The same, locked against other changes until this transaction ends."""
    return _theirs(tx.tasks.lock(task_id) if is_ulid(task_id) else None, caller)


def _theirs(task: Task | None, caller: Caller) -> Task:
    if task is None or task.account_id != caller.account_id:
        raise TaskNotFound
    return task


def own_endpoint(
    tx: Transaction, caller: Caller, endpoint_id: str, *, lock: bool = False
) -> Endpoint:
    """Raises ``NotFound``, including for another account's endpoint, in the same words."""
    found = tx.webhooks.lock(endpoint_id) if lock else tx.webhooks.get(endpoint_id)
    if found is None or found.account_id != caller.account_id:
        raise NotFound("Webhook does not exist")
    return found
