"""Methods of the client for saved tasks and their schedules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET

from fyke.client.connection import Connection, segment
from fyke.wire.fyke import schedules
from fyke.wire.v2 import tasks as wire
from fyke.wire.v2.fields import StartOptions
from fyke.wire.v2.runs import WorkerRunStarted

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

    def wire(self) -> wire.NewTask:
        """The body of the request."""
        return wire.NewTask(
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
        return self._wire.post(TASKS, wire.TaskCreated, request.wire()).slug

    def tasks(
        self, page_index: int = 1, page_size: int = 20, keyword: str = ""
    ) -> wire.WorkerTaskPage:
        """Newest first; ``keyword`` is part of a title or slug."""
        query = {"offset": page_index, "limit": page_size, "keyword": keyword}
        return self._wire.get(TASKS, wire.WorkerTaskPage, query)

    def task(self, task: str) -> wire.WorkerTask:
        return self._wire.get(_task_path(task), wire.WorkerTask)

    def update_task(
        self, task: str, *, title: str | None = None, description: str | None = None
    ) -> None:
        """Change title and description; None for unchanged."""
        body = wire.TaskChange(
            title=UNSET if title is None else title,
            description=UNSET if description is None else description,
        )
        self._wire.put(_task_path(task), wire.TaskChanged, body)

    def set_task_input(self, task: str, input: dict[str, Any], version: str = "") -> None:
        """Replace the input, and the version unless it is empty."""
        body = wire.TaskInputChange(input, version)
        self._wire.put(f"{_task_path(task)}/input", wire.TaskChanged, body)

    def delete_task(self, task: str) -> None:
        self._wire.delete(_task_path(task), type(None))

    def start_task(self, task: str, callback_url: str = "") -> str:
        """Start a run of a task; return the run's slug."""
        body = StartOptions(callback_url=callback_url)
        return self._wire.post(f"{_task_path(task)}/runs", WorkerRunStarted, body).run_slug

    # --- schedules -------------------------------------------------------------------------

    def set_schedule(
        self,
        task: str,
        timing: schedules.Timing,
        *,
        overlap: str = "allow",
        enabled: bool = True,
    ) -> schedules.TaskSchedule:
        members = msgspec.structs.asdict(timing)
        body = schedules.ScheduleFields(overlap=overlap, enabled=enabled, **members)
        return self._wire.put(_schedule_path(task), schedules.TaskSchedule, body)

    def switch_schedule(self, task: str, *, on: bool) -> schedules.TaskSchedule:
        """Enable or disable the schedule; enabling resumes one that was paused."""
        path = f"{_schedule_path(task)}/{'resume' if on else 'pause'}"
        return self._wire.post(path, schedules.TaskSchedule, {})

    def schedule(self, task: str) -> schedules.TaskSchedule:
        return self._wire.get(_schedule_path(task), schedules.TaskSchedule)

    def delete_schedule(self, task: str) -> None:
        self._wire.delete(_schedule_path(task), type(None))

    def next_times(
        self, task: str, count: int = 10, timing: schedules.Timing | None = None
    ) -> schedules.NextTimes:
        """The next times of the task's schedule, or of ``timing`` if it is not None."""
        query = {"count": count, **(msgspec.to_builtins(timing) if timing else {})}
        return self._wire.get(f"{_schedule_path(task)}/next", schedules.NextTimes, query)

    def fires(self, task: str, page_index: int = 1, page_size: int = 20) -> schedules.FirePage:
        """Results of past planned times, latest first."""
        query = {"page_index": page_index, "page_size": page_size}
        return self._wire.get(f"{_schedule_path(task)}/fires", schedules.FirePage, query)

    def set_time_zone(self, time_zone: str) -> str:
        """Set the account's time zone, for schedules without one; return it."""
        path, body = "/api/fyke/account/time-zone", schedules.TimeZone(time_zone)
        return self._wire.put(path, schedules.AccountZone, body).time_zone


def _task_path(task: str) -> str:
    return f"{TASKS}/{segment(task)}"


def _schedule_path(task: str) -> str:
    return f"/api/fyke/tasks/{segment(task)}/schedule"
