"""Whose task it is."""

from __future__ import annotations

from fyke.domain.accounts.model import Caller
from fyke.domain.contracts import Transaction
from fyke.domain.tasks.model import Task
from fyke.errors import TaskNotFound
from fyke.kit.ids import is_ulid


def own_task(tx: Transaction, caller: Caller, task_id: str) -> Task:
    """The caller's task. Raises ``TaskNotFound``, also for another account's."""
    return _theirs(tx.tasks.get(task_id) if is_ulid(task_id) else None, caller)


def own_task_to_change(tx: Transaction, caller: Caller, task_id: str) -> Task:
    """The same, and nobody else changes it until this transaction ends."""
    return _theirs(tx.tasks.lock(task_id) if is_ulid(task_id) else None, caller)


def _theirs(task: Task | None, caller: Caller) -> Task:
    if task is None or task.account_id != caller.account_id:
        raise TaskNotFound
    return task
