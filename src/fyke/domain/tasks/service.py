"""Creates, reads, lists and deletes tasks; the runs service starts them.

A task's input is stored unchanged. It is checked against the worker's schema when the task is
started, not when it is saved, because a task without a fixed version follows its worker. Its run
options are checked when it is saved.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Protocol

from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import lock_own_task, own_task
from fyke.domain.accounts.audit import record
from fyke.domain.accounts.rights import require_editor
from fyke.domain.runs.start_keys import StartKey, StartKind, claim
from fyke.domain.runs.transitions import Rules
from fyke.domain.schedules.editing import (
    ScheduleEdit,
    change_schedule,
    copy_for_task,
    require_run_scope,
)
from fyke.domain.schedules.rules import OWN_NAMES, Names
from fyke.domain.tasks.run_options import check_options, check_places, has_options
from fyke.domain.workers.lookup import NEWEST
from fyke.domain.workers.parameters import ParsedInput
from fyke.errors import (
    Conflict,
    InvalidRequest,
    TaskNotFound,
    UnknownVersion,
    VersionUnavailable,
    WorkerNotFound,
)
from fyke.kit.ids import new_ulid
from fyke.model.account import Caller
from fyke.model.audit import AuditAction
from fyke.model.schedule import Schedule
from fyke.model.task import Task
from fyke.model.worker import Version, Worker

MAX_INPUT_BYTES = 4 * 2**20
MAX_TITLE = 200
MAX_DESCRIPTION = 10_000


class WorkerDirectory(Protocol):
    """The part of the workers service that tasks need."""

    async def find(self, caller: Caller | None, ref: str) -> Worker: ...
    async def version(
        self, caller: Caller | None, worker: Worker, number: str | None
    ) -> Version: ...


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task with its worker and schedule. ``worker`` is None when it no longer exists."""

    task: Task
    worker: Worker | None
    schedule: Schedule | None


class EditedMeanwhile(Conflict):
    """The task was changed since it was read; ``current`` is its current state."""

    key = "edited_meanwhile"

    def __init__(self, current: Task) -> None:
        super().__init__(
            "this task was changed by another user meanwhile; compare both and save again"
        )
        self.current = current


@dataclass(frozen=True, slots=True)
class TaskEdit:
    """Changes of a task; None changes nothing. ``version`` ``""`` follows the newest."""

    title: str | None = None
    description: str | None = None
    version: str | None = None
    input: object = None


class Tasks:
    """The tasks of all accounts; each account sees only its own.

    ``names`` of the methods maps the members of a schedule to their names in the caller's API, for
    errors.
    """

    def __init__(self, storage: Storage, workers: WorkerDirectory, rules: Rules) -> None:
        self._storage = storage
        self._workers = workers
        self._rules = rules

    async def create(
        self,
        caller: Caller,
        worker_ref: str,
        title: str,
        input: object,
        version: str | None,
        *,
        description: str = "",
        schedule: ScheduleEdit | None = None,
        names: Names = OWN_NAMES,
        key: StartKey | None = None,
    ) -> Task:
        """Save an input for a worker that the caller can see, optionally with a schedule.

        ``version`` None, empty, ``latest`` or ``auto`` means the newest at the time of each run.
        With a ``key`` that was used before, return the task of that time.
        Raise ``WorkerNotFound``, ``VersionUnavailable``, ``Forbidden``, and ``InvalidRequest``,
        also for run options that a start would refuse.
        """
        require_editor(caller, "Creating tasks")
        worker = await self._workers.find(caller, worker_ref)
        task = Task(
            id=new_ulid(),
            account_id=caller.account_id,
            worker_id=worker.id,
            title=_title(title, worker),
            version=await self._number(caller, worker, version),
            input_json=_input_json(input),
            created_at=0,
            updated_at=0,
            description=_checked_description(description),
        )

        options = await self._options(caller, task, input)

        def work(tx: Transaction) -> Task:
            earlier = claim(tx, caller, key, StartKind.TASK, task.id) if key else None
            if earlier is not None:
                return own_task(tx, caller, earlier)
            check_places(tx, caller, self._rules, options)
            dated = replace(task, created_at=tx.now, updated_at=tx.now)
            tx.tasks.add(dated)
            if schedule is not None:
                require_run_scope(caller, change_schedule(tx, dated, schedule, names))
            return dated

        return await self._storage.write(work)

    async def _number(self, caller: Caller, worker: Worker, version: str | None) -> str:
        """The number or tag of an existing version; ``""`` for the current one at the time of each
        run.
        """
        number = (version or "").strip()
        if number in NEWEST:
            return ""
        found = await self._workers.version(caller, worker, number)
        return number if number == found.number else number.lower()  # a tag, as it is stored

    async def _options(self, caller: Caller, task: Task, input: object) -> ParsedInput | None:
        """The run options of an input of a task, None without any.

        Raise ``InvalidRequest`` and ``Forbidden`` for those that no run of its version may have.
        """
        if not has_options(input):
            return None
        version: Version | None
        try:
            worker = await self._workers.find(caller, task.worker_id)
            version = await self._workers.version(caller, worker, task.version)
        except (WorkerNotFound, VersionUnavailable, UnknownVersion):
            version = None  # it cannot run now
        return check_options(caller, self._rules, version, input)

    async def get(self, caller: Caller, task_id: str) -> Task:
        """Return a task. Raise ``TaskNotFound``, including for another account's task."""
        return await self._storage.read(lambda tx: own_task(tx, caller, task_id))

    async def view(self, caller: Caller, task_id: str) -> TaskView:
        """Like ``get``, with the worker and the schedule."""
        return await self._storage.read(lambda tx: _views(tx, [own_task(tx, caller, task_id)])[0])

    async def list(
        self, caller: Caller, *, offset: int, limit: int, worker_id: str = "", keyword: str = ""
    ) -> tuple[int, list[TaskView]]:
        """Return the total count and one page, newest first; optionally only of one worker, and
        with ``keyword`` in title or id.
        """

        def work(tx: Transaction) -> tuple[int, list[TaskView]]:
            count, tasks = tx.tasks.of_account(
                caller.account_id,
                offset=offset,
                limit=limit,
                worker_id=worker_id,
                keyword=keyword,
            )
            return count, _views(tx, tasks)

        return await self._storage.read(work)

    async def update(
        self,
        caller: Caller,
        task_id: str,
        *,
        title: str | None = None,
        description: str | None = None,
        schedule: ScheduleEdit | None = None,
        names: Names = OWN_NAMES,
    ) -> None:
        """Change the given members only. Raise ``TaskNotFound``, ``InvalidRequest``,
        ``Forbidden``.
        """
        require_editor(caller, "Changing tasks")
        edit = TaskEdit(title, description)

        def work(tx: Transaction) -> None:
            changed = _edited(tx, lock_own_task(tx, caller, task_id), edit, None)
            _save(tx, changed)
            if schedule is not None:
                require_run_scope(caller, change_schedule(tx, changed, schedule, names))

        await self._storage.write(work)

    async def set_input(
        self, caller: Caller, task_id: str, input: object, version: str | None
    ) -> None:
        """Replace the input, and the version unless it is None.

        Raise ``TaskNotFound``, ``WorkerNotFound``, ``VersionUnavailable``, ``InvalidRequest``,
        ``Forbidden``.
        """
        require_editor(caller, "Changing tasks")
        edit = TaskEdit(input=_checked_input(input), version=version)
        await self._edit(caller, task_id, edit, None)

    async def edit(self, caller: Caller, task_id: str, edit: TaskEdit, revision: int) -> Task:
        """Change the given members if the task still has ``revision``; return the changed task.

        Raise ``EditedMeanwhile``, and the errors of ``update`` and ``set_input``.
        """
        require_editor(caller, "Changing tasks")
        return await self._edit(caller, task_id, edit, revision)

    async def _edit(
        self, caller: Caller, task_id: str, edit: TaskEdit, revision: int | None
    ) -> Task:
        number, options = None, None
        if edit.version is not None or edit.input is not None:
            saved = await self.get(caller, task_id)
            if edit.version is not None:
                worker = await self._workers.find(caller, saved.worker_id)
                number = await self._number(caller, worker, edit.version)
                saved = replace(saved, version=number)
            given = json.loads(saved.input_json) if edit.input is None else edit.input
            options = await self._options(caller, saved, given)

        def work(tx: Transaction) -> Task:
            task = lock_own_task(tx, caller, task_id)
            if revision is not None and task.revision != revision:
                raise EditedMeanwhile(task)
            check_places(tx, caller, self._rules, options)
            if edit.input is not None or edit.version is not None:
                require_run_scope(caller, tx.schedules.get(task_id))
            changed = _edited(tx, task, edit, number)
            _save(tx, changed)
            return changed

        return await self._storage.write(work)

    async def clone(self, caller: Caller, task_id: str) -> Task:
        """Create another task with the same input and a disabled copy of the schedule.

        Raise ``TaskNotFound``, ``Forbidden``.
        """
        require_editor(caller, "Creating tasks")

        def work(tx: Transaction) -> Task:
            task = own_task(tx, caller, task_id)
            copy = replace(
                task,
                id=new_ulid(),
                title=f"{task.title[: MAX_TITLE - 7]} (copy)",
                run_times=0,
                last_run_id="",
                revision=0,
                created_at=tx.now,
                updated_at=tx.now,
            )
            tx.tasks.add(copy)
            schedule = tx.schedules.get(task.id)
            if schedule is not None:
                tx.schedules.put(copy_for_task(schedule, copy.id, tx.now))
            return copy

        return await self._storage.write(work)

    async def delete(self, caller: Caller, task_id: str) -> None:
        """Remove a task, its schedule and its alert rules; its runs and alerts stay. Raise
        ``TaskNotFound``, ``Forbidden``.
        """
        require_editor(caller, "Deleting tasks")

        def work(tx: Transaction) -> None:
            task = own_task(tx, caller, task_id)
            for rule in tx.alerts.rules(task.account_id):
                if rule.task_id == task.id:
                    tx.alerts.delete_rule(rule.id)
                    record(tx, caller, AuditAction.RULE_REMOVED, rule.name, rule.kind.value)
            tx.tasks.delete(task.id)

        await self._storage.write(work)


def _views(tx: Transaction, tasks: list[Task]) -> list[TaskView]:
    workers = tx.workers.get_all({task.worker_id for task in tasks})
    schedules = tx.schedules.of_tasks([task.id for task in tasks])
    return [TaskView(task, workers.get(task.worker_id), schedules.get(task.id)) for task in tasks]


def _edited(tx: Transaction, task: Task, edit: TaskEdit, number: str | None) -> Task:
    """``number`` is the resolved version of the edit."""
    text = task.input_json if edit.input is None else _input_json(edit.input)
    return replace(
        task,
        title=task.title if edit.title is None else _checked_title(edit.title),
        description=(
            task.description if edit.description is None else _checked_description(edit.description)
        ),
        version=task.version if number is None else number,
        input_json=text,
        updated_at=tx.now,
        revision=task.revision + 1,
    )


def _save(tx: Transaction, task: Task) -> None:
    if not tx.tasks.update(task):
        raise TaskNotFound


def _title(title: str, worker: Worker) -> str:
    return _checked_title(title.strip() or worker.title or worker.path)


def _checked_title(title: str) -> str:
    title = title.strip()
    if not 0 < len(title) <= MAX_TITLE:
        raise InvalidRequest(
            f"must have 1 to {MAX_TITLE} characters, and has {len(title):,}", field="title"
        )
    for place, letter in enumerate(title, 1):
        if not letter.isprintable():
            raise InvalidRequest(
                f"has the invisible character U+{ord(letter):04X} at position {place}",
                field="title",
                remedy="remove it",
            )
    return title


def _checked_description(text: str) -> str:
    if len(text) > MAX_DESCRIPTION:
        raise InvalidRequest(
            f"must have at most {MAX_DESCRIPTION:,} characters", field="description"
        )
    return text


def _checked_input(value: object) -> object:
    """Return the input unchanged. Raise ``InvalidRequest`` unless it can be saved."""
    _input_json(value)
    return value


def _input_json(value: object) -> str:
    if not isinstance(value, dict):
        raise InvalidRequest("must be a JSON object", field="input")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError):
        raise InvalidRequest(
            "must be plain JSON: no NaN, no Infinity, no half surrogate pairs, "
            "not nested too deeply",
            field="input",
        ) from None
    if size > MAX_INPUT_BYTES:
        raise InvalidRequest(f"must be at most {MAX_INPUT_BYTES:,} bytes of JSON", field="input")
    return text
