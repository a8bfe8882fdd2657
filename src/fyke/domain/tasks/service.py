"""Saved inputs: make, read, list and remove them. Starting one is the runs service's work.

A task's input is kept as it was given. It is checked against the worker's schema when it is
started, not when it is saved, because a task without a fixed version follows its worker.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Protocol

from fyke.domain.accounts.model import Caller
from fyke.domain.accounts.rights import require_editor
from fyke.domain.contracts import Storage, Transaction
from fyke.domain.tasks.model import Task
from fyke.domain.workers.model import Version, Worker
from fyke.errors import InvalidRequest, TaskNotFound
from fyke.kit.ids import is_ulid, new_ulid

MAX_INPUT_BYTES = 4 * 2**20
MAX_TITLE = 200
_NEWEST = frozenset({"", "latest", "auto"})


class WorkerDirectory(Protocol):
    """What tasks need of the workers service."""

    async def find(self, caller: Caller | None, ref: str) -> Worker: ...
    async def version(self, worker: Worker, number: str | None) -> Version: ...


class Tasks:
    """The tasks of all accounts, each seen only by its own."""

    def __init__(self, storage: Storage, workers: WorkerDirectory) -> None:
        self._storage = storage
        self._workers = workers

    async def create(
        self, caller: Caller, worker_ref: str, title: str, input: object, version: str | None
    ) -> Task:
        """Save an input for a worker that the caller can see.

        ``version`` None, empty, ``latest`` or ``auto`` means the newest at the time of each run.
        Raises ``WorkerNotFound``, ``VersionUnavailable``, ``InvalidRequest``, ``Forbidden``.
        """
        require_editor(caller, "Creating tasks")
        worker = await self._workers.find(caller, worker_ref)
        number = (version or "").strip()
        if number not in _NEWEST:
            number = (await self._workers.version(worker, number)).number
        task = Task(
            id=new_ulid(),
            account_id=caller.account_id,
            worker_id=worker.id,
            title=_title(title, worker),
            version="" if number in _NEWEST else number,
            input_json=_input_json(input),
            created_at=0,
            updated_at=0,
        )

        def work(tx: Transaction) -> Task:
            dated = replace(task, created_at=tx.now, updated_at=tx.now)
            tx.tasks.add(dated)
            return dated

        return await self._storage.write(work)

    async def get(self, caller: Caller, task_id: str) -> Task:
        """Raises ``TaskNotFound``, also for another account's task."""
        return await self._storage.read(lambda tx: _own(tx, caller, task_id))

    async def list(self, caller: Caller, *, offset: int, limit: int) -> tuple[int, list[Task]]:
        """Total count and one page, newest first."""
        return await self._storage.read(
            lambda tx: tx.tasks.of_account(caller.account_id, offset=offset, limit=limit)
        )

    async def delete(self, caller: Caller, task_id: str) -> None:
        """Remove a task; its runs stay. Raises ``TaskNotFound``, ``Forbidden``."""
        require_editor(caller, "Deleting tasks")

        def work(tx: Transaction) -> None:
            tx.tasks.delete(_own(tx, caller, task_id).id)

        await self._storage.write(work)


def _own(tx: Transaction, caller: Caller, task_id: str) -> Task:
    task = tx.tasks.get(task_id) if is_ulid(task_id) else None
    if task is None or task.account_id != caller.account_id:
        raise TaskNotFound
    return task


def _title(title: str, worker: Worker) -> str:
    wanted = title.strip() or worker.title or worker.path
    if len(wanted) > MAX_TITLE or not wanted.isprintable():
        raise InvalidRequest(f"title must have at most {MAX_TITLE} characters, all printable")
    return wanted


def _input_json(value: object) -> str:
    if not isinstance(value, dict):
        raise InvalidRequest("input must be a JSON object")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError):
        raise InvalidRequest(
            "input must be plain JSON: no NaN, no Infinity, no half surrogate pairs, "
            "not nested too deeply"
        ) from None
    if size > MAX_INPUT_BYTES:
        raise InvalidRequest(f"input must be at most {MAX_INPUT_BYTES:,} bytes of JSON")
    return text
