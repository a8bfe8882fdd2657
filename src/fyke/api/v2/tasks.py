"""Saved tasks: create, read, change, delete and run them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from msgspec import UNSET

from fyke.api.call import Call
from fyke.api.callback_url import read_callback
from fyke.api.routes import delete, get, post, put
from fyke.api.v2.starts import REFUSALS, StartAnswers
from fyke.domain.runs.service import Runs
from fyke.domain.schedules.editing import ScheduleEdit
from fyke.domain.schedules.rules import Names
from fyke.domain.tasks.service import Tasks
from fyke.domain.workers.service import Workers
from fyke.errors import Forbidden, TaskNotFound, VersionUnavailable, WorkerNotFound
from fyke.model.account import Scope
from fyke.model.run import Origin
from fyke.wire.v2 import tasks as wire
from fyke.wire.v2.fields import StartOptions, TaskId
from fyke.wire.v2.runs import WorkerRunResult, WorkerRunStarted

TASKS = "/api/v2/worker-tasks"
_ONE = f"{TASKS}/{{workerTaskId}}"

# The names of members in errors of the domain.
_NAMES: Names = {
    "kind": "schedule_type",
    "enabled": "schedule_enabled",
    "time": "schedule_time",
    "weekday": "schedule_weekday",
    "day": "schedule_day",
    "date": "schedule_once_date",
    "cron": "cron",
    "every_s": "every",
    "time_zone": "time_zone",
}


@dataclass(frozen=True, slots=True)
class TaskRoutes:
    tag: ClassVar[str] = "Tasks"

    tasks: Tasks
    runs: Runs
    workers: Workers
    answers: StartAnswers

    @get(TASKS, scope=Scope.READ)
    async def list_worker_tasks(self, call: Call, query: wire.TaskListQuery) -> wire.WorkerTaskPage:
        """The account's tasks, newest first."""
        try:
            ref = query.worker_id.strip()
            worker_id = (
                (await self.workers.find_including_deleted(call.caller, ref)).id if ref else ""
            )
        except WorkerNotFound:  # an unknown worker matches no tasks
            return wire.WorkerTaskPage(0, [], query.offset, query.limit)
        count, views = await self.tasks.list(
            call.caller,
            offset=(query.offset - 1) * query.limit,
            limit=query.limit,
            worker_id=worker_id,
            keyword=query.keyword.strip(),
        )
        items = [wire.WorkerTask.of(view) for view in views]
        return wire.WorkerTaskPage(count, items, query.offset, query.limit)

    @post(TASKS, scope=Scope.WRITE, errors=(WorkerNotFound, VersionUnavailable, Forbidden))
    async def create_worker_task(self, call: Call, body: wire.NewTask) -> wire.TaskCreated:
        """Save an input for a worker, and a schedule if one is given.

        Whether the input fits the worker is checked at each start. A schedule that is on also
        needs the scope `run`.
        """
        task = await self.tasks.create(
            call.caller,
            body.worker_id,
            body.title,
            body.input,
            body.version.strip() or await self._newest(call, body.worker_id),
            description=body.description,
            schedule=schedule_edit(body),
            names=_NAMES,
        )
        return wire.TaskCreated(task.id)

    async def _newest(self, call: Call, worker_ref: str) -> str:
        worker = await self.workers.find(call.caller, worker_ref)
        return (await self.workers.version(call.caller, worker)).number

    @get(_ONE, scope=Scope.READ, errors=(TaskNotFound,))
    async def get_worker_task(self, call: Call, worker_task_id: TaskId) -> wire.WorkerTask:
        """A task with its input and its schedule."""
        return wire.WorkerTask.of(await self.tasks.view(call.caller, worker_task_id))

    @put(_ONE, scope=Scope.WRITE, errors=(TaskNotFound, Forbidden))
    async def update_worker_task(
        self, call: Call, worker_task_id: TaskId, body: wire.TaskChange
    ) -> wire.TaskChanged:
        """Change title, description or schedule; absent members stay as they are.

        A schedule that is on after the change also needs the scope `run`.
        """
        await self.tasks.update(
            call.caller,
            worker_task_id,
            title=None if body.title is UNSET else body.title,
            description=None if body.description is UNSET else body.description,
            schedule=schedule_edit(body),
            names=_NAMES,
        )
        return wire.TaskChanged()

    @delete(_ONE, scope=Scope.WRITE, errors=(TaskNotFound, Forbidden))
    async def delete_worker_task(self, call: Call, worker_task_id: TaskId) -> None:
        """Delete a task, its schedule and its alert rules; its runs stay."""
        await self.tasks.delete(call.caller, worker_task_id)

    @get(f"{_ONE}/input", scope=Scope.READ, errors=(TaskNotFound,))
    async def get_worker_task_input(
        self, call: Call, worker_task_id: TaskId
    ) -> wire.SavedTaskInput:
        """The saved input and the version it is for."""
        return wire.SavedTaskInput.of(await self.tasks.get(call.caller, worker_task_id))

    @put(
        f"{_ONE}/input",
        scope=Scope.WRITE,
        errors=(TaskNotFound, WorkerNotFound, VersionUnavailable, Forbidden),
    )
    async def update_worker_task_input(
        self, call: Call, worker_task_id: TaskId, body: wire.TaskInputChange
    ) -> wire.TaskChanged:
        """Replace the saved input, and the version if it is present.

        While the schedule of the task is on, this also needs the scope `run`.
        """
        version = body.version.strip() or None
        await self.tasks.set_input(call.caller, worker_task_id, body.input, version)
        return wire.TaskChanged()

    @post(
        f"{_ONE}/runs",
        scope=Scope.RUN,
        errors=(TaskNotFound, WorkerNotFound, *REFUSALS),
        starts=True,
    )
    async def run_worker_task(
        self, call: Call, worker_task_id: TaskId, body: StartOptions
    ) -> WorkerRunResult | WorkerRunStarted:
        """Start a run of a task with its saved input and version.

        With `is_async` false the answer waits for the end of the run and contains a page of its
        rows. If the run takes longer than that, it continues; poll it by its `run_slug`.
        """
        callback_url = read_callback(body.callback_url)
        run = await self.runs.start_task(
            call.caller, worker_task_id, callback_url, Origin.API_V2, key=call.start_key
        )
        return await self.answers.answer(call, run, body)


def schedule_edit(members: wire.ScheduleMembers) -> ScheduleEdit | None:
    """The change to the schedule, None when no member of it is present."""
    enabled, kind = members.schedule_enabled, members.schedule_type
    time, weekday = members.schedule_time, members.schedule_weekday
    day, date = members.schedule_day, members.schedule_once_date
    if all(item is UNSET for item in (enabled, kind, time, weekday, day, date)):
        return None
    return ScheduleEdit(
        enabled=None if enabled is UNSET else enabled == 1,
        kind=None if kind is UNSET else wire.KINDS.get(kind),
        time=None if time is UNSET else time,
        weekday=None if weekday is UNSET else weekday,
        day=None if day is UNSET else day,
        date=None if date is UNSET else date,
    )
