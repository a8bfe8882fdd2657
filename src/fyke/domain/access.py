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
    """The run, for requests that are authorised in another way. Raises ``RunNotFound``."""
    run = tx.runs.get(run_id) if is_ulid(run_id) else None
    if run is None:
        raise RunNotFound
    return run


def own_run(tx: Transaction, caller: Caller, run_id: str) -> Run:
    """The caller's run. Raises ``RunNotFound``, also for another account's run."""
    run = existing_run(tx, run_id)
    if run.account_id != caller.account_id:
        raise RunNotFound
    return run


def own_task(tx: Transaction, caller: Caller, task_id: str) -> Task:
    """The caller's task. Raises ``TaskNotFound``, also for another account's task."""
    return _check_owner(tx.tasks.get(task_id) if is_ulid(task_id) else None, caller)


def lock_own_task(tx: Transaction, caller: Caller, task_id: str) -> Task:
    """Like ``own_task``, locked against other changes until this transaction ends."""
    return _check_owner(tx.tasks.lock(task_id) if is_ulid(task_id) else None, caller)


def _check_owner(task: Task | None, caller: Caller) -> Task:
    if task is None or task.account_id != caller.account_id:
        raise TaskNotFound
    return task


def own_endpoint(
    tx: Transaction, caller: Caller, endpoint_id: str, *, lock: bool = False
) -> Endpoint:
    """The caller's endpoint. Raises ``NotFound``, also for another account's endpoint."""
    endpoint = tx.webhooks.lock(endpoint_id) if lock else tx.webhooks.get(endpoint_id)
    if endpoint is None or endpoint.account_id != caller.account_id:
        raise NotFound("Webhook does not exist")
    return endpoint
