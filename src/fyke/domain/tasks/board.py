"""The tasks of an account in lists: the next and the last run of each, and why it can no longer run
as saved.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import own_task
from fyke.domain.workers.input_schema import parse
from fyke.domain.workers.input_values import problems
from fyke.domain.workers.lookup import find_version, find_worker
from fyke.domain.workers.parameters import parts
from fyke.errors import InvalidRequest, NotFound, UnknownVersion, VersionUnavailable
from fyke.model.account import Caller
from fyke.model.run import Run
from fyke.model.schedule import Schedule
from fyke.model.task import Task
from fyke.model.worker import Version, VersionState, Worker


class TaskFault(StrEnum):
    """Why a task cannot run as saved."""

    WORKER_GONE = "worker_gone"  # deleted, or no longer for this account
    VERSION_GONE = "version_gone"  # its fixed version is withdrawn or unknown
    NO_VERSION = "no_version"  # it follows the newest one, and there is none
    INPUT = "input"  # the schema has changed since it was saved


@dataclass(frozen=True, slots=True)
class TaskLine:
    """A task in the list. ``worker`` is None once it is removed, ``latest`` the number of the
    version that the account gets now, ``""`` without one.
    """

    task: Task
    worker: Worker | None
    latest: str
    schedule: Schedule | None
    last_run: Run | None
    fault: TaskFault | None


@dataclass(frozen=True, slots=True)
class TaskCheck:
    """One task with its faults. ``version`` is the one that it would run, None when there is none;
    ``problems`` are pairs of field name and sentence, for ``TaskFault.INPUT``.
    """

    line: TaskLine
    version: Version | None
    problems: tuple[tuple[str, str], ...]


class TaskBoard:
    """Lists tasks with their schedules and last runs."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def page(
        self, caller: Caller, *, offset: int, limit: int, worker_id: str = "", keyword: str = ""
    ) -> tuple[int, list[TaskLine]]:
        """Total count and one page, newest first. Inputs are not checked here."""

        def work(tx: Transaction) -> tuple[int, list[TaskLine]]:
            count, found = tx.tasks.of_account(
                caller.account_id,
                offset=offset,
                limit=limit,
                worker_id=worker_id,
                keyword=keyword,
            )
            schedules = tx.schedules.of_tasks([task.id for task in found])
            return count, [_line(tx, caller, t, schedules.get(t.id))[0] for t in found]

        return await self._storage.read(work)

    async def check(self, caller: Caller, task_id: str) -> TaskCheck:
        """One task, whether it can run, and what is wrong. Raise ``TaskNotFound``."""

        def work(tx: Transaction) -> tuple[TaskLine, Version | None]:
            task = own_task(tx, caller, task_id)
            return _line(tx, caller, task, tx.schedules.get(task.id))

        line, version = await self._storage.read(work)
        found = _problems(line.task, version) if version is not None else ()
        if found and line.fault is None:
            line = TaskLine(
                line.task, line.worker, line.latest, line.schedule, line.last_run, TaskFault.INPUT
            )
        return TaskCheck(line, version, found)


def _line(
    tx: Transaction, caller: Caller, task: Task, schedule: Schedule | None
) -> tuple[TaskLine, Version | None]:
    last = tx.runs.get(task.last_run_id) if task.last_run_id else None
    kept = tx.workers.get(task.worker_id)
    try:
        worker = find_worker(tx, caller, task.worker_id)
    except NotFound:
        return TaskLine(task, kept, "", schedule, last, TaskFault.WORKER_GONE), None
    try:
        version = find_version(tx, caller, worker.id, task.version)
    except (UnknownVersion, VersionUnavailable):
        fault = TaskFault.VERSION_GONE if task.version else TaskFault.NO_VERSION
        return TaskLine(task, worker, worker.latest, schedule, last, fault), None
    return TaskLine(task, worker, worker.latest, schedule, last, None), version


def _problems(task: Task, version: Version) -> tuple[tuple[str, str], ...]:
    if version.state is VersionState.WITHDRAWN:
        return ()
    try:
        _, custom = parts(json.loads(task.input_json))
        found = problems(parse(version.input_schema), custom)
        return tuple((problem.name, problem.sentence) for problem in found)
    except InvalidRequest as error:
        return (("", error.message),)
