"""Methods of the client for saved tasks and their schedules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET

from fyke import wire
from fyke.client.connection import Connection, segment

TASKS = "/api/v2/worker-tasks"


@dataclass(frozen=True, slots=True)
class TaskRequest:
    """A task. ``input``: the whole object with ``parameters``. Without a version, each run uses the
    newest.
    """

    worker: str
    input: dict[str, Any]
    title: str = ""
    version: str = ""
    description: str = ""

    def body(self) -> wire.v2.tasks.NewTask:
        """The body of the request."""
        return wire.v2.tasks.NewTask(
            worker_id=self.worker.replace("/", "~"),
            input=self.input,
            title=self.title or self.worker,
            version=self.version or "latest",
            description=self.description,
        )


class TaskCalls:
    """Saved tasks and their schedules."""

    _wire: Connection

    def create_task(self, request: TaskRequest) -> str:
        """Create a task; return its slug."""
        return self._wire.post(TASKS, wire.v2.tasks.TaskCreated, request.body()).slug

    def tasks(
        self, page_index: int = 1, page_size: int = 20, keyword: str = ""
    ) -> wire.v2.tasks.WorkerTaskPage:
        """Newest first; ``keyword`` is part of a title or slug."""
        query = {"offset": page_index, "limit": page_size, "keyword": keyword}
        return self._wire.get(TASKS, wire.v2.tasks.WorkerTaskPage, query)

    def task(self, task: str) -> wire.v2.tasks.WorkerTask:
        return self._wire.get(_task_path(task), wire.v2.tasks.WorkerTask)

    def checked_task(self, task: str) -> wire.fyke.tasks.CheckedTask:
        """A task, and whether it can run as it is saved."""
        path = f"/api/fyke/tasks/{segment(task)}"
        return self._wire.get(path, wire.fyke.tasks.CheckedTask)

    def update_task(
        self, task: str, *, title: str | None = None, description: str | None = None
    ) -> None:
        """Change title and description; None for unchanged."""
        body = wire.v2.tasks.TaskChange(
            title=UNSET if title is None else title,
            description=UNSET if description is None else description,
        )
        self._wire.put(_task_path(task), wire.v2.tasks.TaskChanged, body)

    def set_task_input(self, task: str, input: dict[str, Any], version: str = "") -> None:
        """Replace the input, and the version unless it is empty."""
        body = wire.v2.tasks.TaskInputChange(input, version)
        self._wire.put(f"{_task_path(task)}/input", wire.v2.tasks.TaskChanged, body)

    def delete_task(self, task: str) -> None:
        self._wire.delete(_task_path(task), type(None))

    def start_task(self, task: str, callback_url: str = "") -> str:
        """Start a run of a task; return the run's slug."""
        body = wire.v2.fields.StartOptions(callback_url=callback_url)
        return self._wire.post(
            f"{_task_path(task)}/runs", wire.v2.runs.WorkerRunStarted, body
        ).run_slug

    # --- schedules -------------------------------------------------------------------------

    def set_schedule(
        self,
        task: str,
        timing: wire.fyke.schedules.Timing,
        *,
        overlap: str = "allow",
        enabled: bool = True,
    ) -> wire.fyke.schedules.TaskSchedule:
        members = msgspec.structs.asdict(timing)
        body = wire.fyke.schedules.ScheduleFields(overlap=overlap, enabled=enabled, **members)
        return self._wire.put(_schedule_path(task), wire.fyke.schedules.TaskSchedule, body)

    def switch_schedule(self, task: str, *, on: bool) -> wire.fyke.schedules.TaskSchedule:
        """Enable or disable the schedule; enabling resumes one that was paused."""
        path = f"{_schedule_path(task)}/{'resume' if on else 'pause'}"
        return self._wire.post(path, wire.fyke.schedules.TaskSchedule, {})

    def schedule(self, task: str) -> wire.fyke.schedules.TaskSchedule:
        return self._wire.get(_schedule_path(task), wire.fyke.schedules.TaskSchedule)

    def delete_schedule(self, task: str) -> None:
        self._wire.delete(_schedule_path(task), type(None))

    def next_times(
        self, task: str, count: int = 10, timing: wire.fyke.schedules.Timing | None = None
    ) -> wire.fyke.schedules.NextTimes:
        """The next times of the task's schedule, or of ``timing`` if it is not None."""
        query = {"count": count, **(msgspec.to_builtins(timing) if timing else {})}
        return self._wire.get(f"{_schedule_path(task)}/next", wire.fyke.schedules.NextTimes, query)

    def fires(
        self, task: str, page_index: int = 1, page_size: int = 20
    ) -> wire.fyke.schedules.FirePage:
        """Results of past planned times, latest first."""
        query = {"page_index": page_index, "page_size": page_size}
        return self._wire.get(f"{_schedule_path(task)}/fires", wire.fyke.schedules.FirePage, query)

    def set_time_zone(self, time_zone: str) -> str:
        """Set the account's time zone, for schedules without one; return it."""
        path, body = "/api/fyke/account/time-zone", wire.fyke.schedules.TimeZone(time_zone)
        return self._wire.put(path, wire.fyke.schedules.AccountZone, body).time_zone


def _task_path(task: str) -> str:
    return f"{TASKS}/{segment(task)}"


def _schedule_path(task: str) -> str:
    return f"/api/fyke/tasks/{segment(task)}/schedule"
