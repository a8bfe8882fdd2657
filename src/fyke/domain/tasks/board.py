"""Lists the tasks of an account: schedule and last run of each, and why it can no longer run as
saved.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import StrEnum

from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import own_task
from fyke.domain.runs.transitions import Rules
from fyke.domain.tasks.run_options import check_options, check_places
from fyke.domain.workers.input_schema import InputSchema, parse
from fyke.domain.workers.input_values import InputProblem, saved_problems
from fyke.domain.workers.lookup import find_version_of, visible_worker
from fyke.errors import Forbidden, InvalidRequest, NotFound, UnknownVersion, VersionUnavailable
from fyke.model.account import Caller
from fyke.model.run import Run
from fyke.model.schedule import Schedule
from fyke.model.task import Task
from fyke.model.worker import Version, VersionState, Worker

MAX_LISTED = 16 * 1024  # characters of an input or a schema that the list reads to check it


class TaskFault(StrEnum):
    """Why a task cannot run as saved."""

    WORKER_GONE = "worker_gone"  # deleted, or no longer visible to the account
    VERSION_GONE = "version_gone"  # its fixed version is withdrawn or unknown
    NO_VERSION = "no_version"  # it follows the newest version, and there is none
    INPUT = "input"  # the version accepts the input or a run option no longer, or never did


@dataclass(frozen=True, slots=True)
class TaskLine:
    """A task in the list. ``worker`` is None when it no longer exists; ``latest`` is the number of
    the version that the account gets now, ``""`` without one.
    """

    task: Task
    worker: Worker | None
    latest: str
    schedule: Schedule | None
    last_run: Run | None
    fault: TaskFault | None


@dataclass(frozen=True, slots=True)
class TaskProblem:
    """What the version does not accept. A run option has its name on the wire,
    ``input.parameters.system.memory``; ``name`` is ``""`` for the input as a whole. ``field`` is
    None for both.
    """

    name: str
    sentence: str
    field: InputProblem | None = None


@dataclass(frozen=True, slots=True)
class TaskCheck:
    """One task with its problems. ``version`` is the version that it would run, None when there is
    none; ``problems`` are for ``TaskFault.INPUT``.
    """

    line: TaskLine
    version: Version | None
    problems: tuple[TaskProblem, ...]


class TaskBoard:
    """Lists tasks with their schedules and last runs."""

    def __init__(self, storage: Storage, rules: Rules) -> None:
        self._storage = storage
        self._rules = rules

    async def page(
        self, caller: Caller, *, offset: int, limit: int, worker_id: str = "", keyword: str = ""
    ) -> tuple[int, list[TaskLine]]:
        """Return the total count and one page, newest first. Of the inputs only the Worker's own
        part is checked, up to ``MAX_LISTED``; ``check`` also checks larger ones and run options.
        """

        def work(tx: Transaction) -> tuple[int, list[TaskLine]]:
            count, tasks = tx.tasks.of_account(
                caller.account_id,
                offset=offset,
                limit=limit,
                worker_id=worker_id,
                keyword=keyword,
            )
            schedules = tx.schedules.of_tasks([task.id for task in tasks])
            last_runs = tx.runs.get_all({t.last_run_id for t in tasks if t.last_run_id})
            workers = tx.workers.get_all({t.worker_id for t in tasks})
            targets: dict[tuple[str, str], _TaskTarget] = {}
            lines = []
            for task in tasks:
                named = task.worker_id, task.version
                if named not in targets:
                    targets[named] = _target(tx, caller, task, workers.get(task.worker_id))
                line = _line(
                    task, targets[named], schedules.get(task.id), last_runs.get(task.last_run_id)
                )
                if targets[named].refuses(task):
                    line = replace(line, fault=TaskFault.INPUT)
                lines.append(line)
            return count, lines

        return await self._storage.read(work)

    async def check(self, caller: Caller, task_id: str) -> TaskCheck:
        """Return one task and why it cannot run, if so. Raise ``TaskNotFound``."""

        def work(tx: Transaction) -> tuple[TaskLine, Version | None]:
            task = own_task(tx, caller, task_id)
            target = _target(tx, caller, task, tx.workers.get(task.worker_id))
            last_run = tx.runs.get(task.last_run_id) if task.last_run_id else None
            return _line(task, target, tx.schedules.get(task.id), last_run), target.version

        line, version = await self._storage.read(work)
        problems = await self._problems(caller, line.task, version) if version is not None else ()
        if problems and line.fault is None:
            line = replace(line, fault=TaskFault.INPUT)
        return TaskCheck(line, version, problems)

    async def _problems(
        self, caller: Caller, task: Task, version: Version
    ) -> tuple[TaskProblem, ...]:
        if version.state is VersionState.WITHDRAWN:
            return ()
        try:
            problems = saved_problems(parse(version.input_schema), task.input_json)
        except InvalidRequest as error:
            return (TaskProblem("", error.message),)
        found = [TaskProblem(one.name, one.sentence, one) for one in problems]
        try:
            given = json.loads(task.input_json)
            options = check_options(caller, self._rules, version, given)
            await self._storage.read(lambda tx: check_places(tx, caller, self._rules, options))
        except (InvalidRequest, Forbidden) as error:
            found.append(TaskProblem(error.problems[0].field, error.message))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class _TaskTarget:
    """What tasks of one Worker and version run; the rest as in ``TaskLine``."""

    worker: Worker | None
    latest: str = ""
    version: Version | None = None
    fault: TaskFault | None = None
    schema: InputSchema | None = None  # None when it is too large for the list

    def refuses(self, task: Task) -> bool:
        """Whether the version refuses the input of the task, if that is not too large to check."""
        if self.schema is None or len(task.input_json) > MAX_LISTED:
            return False
        try:
            return bool(saved_problems(self.schema, task.input_json))
        except InvalidRequest:
            return True


def _target(tx: Transaction, caller: Caller, task: Task, stored: Worker | None) -> _TaskTarget:
    """``stored``: the Worker of the task, if it exists."""
    try:
        worker = visible_worker(tx, caller, stored)
    except NotFound:
        return _TaskTarget(stored, fault=TaskFault.WORKER_GONE)
    try:
        version = find_version_of(tx, caller, worker, task.version)
    except (UnknownVersion, VersionUnavailable):
        fault = TaskFault.VERSION_GONE if task.version else TaskFault.NO_VERSION
        return _TaskTarget(worker, worker.latest, fault=fault)
    if len(version.input_schema) > MAX_LISTED:
        return _TaskTarget(worker, worker.latest, version)
    try:
        schema = parse(version.input_schema)
    except InvalidRequest:
        return _TaskTarget(worker, worker.latest, version, TaskFault.INPUT)
    return _TaskTarget(worker, worker.latest, version, schema=schema)


def _line(
    task: Task, target: _TaskTarget, schedule: Schedule | None, last_run: Run | None
) -> TaskLine:
    return TaskLine(task, target.worker, target.latest, schedule, last_run, target.fault)
