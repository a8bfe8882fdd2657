"""The part of the client that is about saved tasks and their schedules."""

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
    """A saved input. ``input`` is the whole object with ``parameters``; without a version the task
    follows its worker.
    """

    worker: str
    input: dict[str, Any]
    title: str = ""
    version: str = ""
    description: str = ""

    def wire(self) -> wire.NewTask:
        """The request as it is sent."""
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
        """Save an input; return the task's slug."""
        return self._wire.post(TASKS, wire.TaskCreated, request.wire()).slug

    def tasks(
        self, page_index: int = 1, page_size: int = 20, keyword: str = ""
    ) -> wire.WorkerTaskPage:
        """Newest first; ``keyword`` is part of a title or slug."""
        query = {"offset": page_index, "limit": page_size, "keyword": keyword}
        return self._wire.get(TASKS, wire.WorkerTaskPage, query)

    def task(self, task: str) -> wire.WorkerTask:
        return self._wire.get(_one(task), wire.WorkerTask)

    def update_task(
        self, task: str, *, title: str | None = None, description: str | None = None
    ) -> None:
        """Change what is given."""
        body = wire.TaskChange(
            title=UNSET if title is None else title,
            description=UNSET if description is None else description,
        )
        self._wire.put(_one(task), wire.TaskChanged, body)

    def set_task_input(self, task: str, input: dict[str, Any], version: str = "") -> None:
        """Replace the input, and the version if one is given."""
        body = wire.TaskInputChange(input, version)
        self._wire.put(f"{_one(task)}/input", wire.TaskChanged, body)

    def delete_task(self, task: str) -> None:
        self._wire.delete(_one(task), type(None))

    def start_task(self, task: str, callback_url: str = "") -> str:
        """Start a run of it; return the run's slug."""
        body = StartOptions(callback_url=callback_url)
        return self._wire.post(f"{_one(task)}/runs", WorkerRunStarted, body).run_slug

    # --- schedules -------------------------------------------------------------------------

    def set_schedule(
        self,
        task: str,
        plan: schedules.Timing,
        *,
        overlap: str = "allow",
        enabled: bool = True,
    ) -> schedules.TaskSchedule:
        members = msgspec.structs.asdict(plan)
        body = schedules.ScheduleFields(overlap=overlap, enabled=enabled, **members)
        return self._wire.put(_schedule(task), schedules.TaskSchedule, body)

    def schedule(self, task: str) -> schedules.TaskSchedule:
        return self._wire.get(_schedule(task), schedules.TaskSchedule)

    def delete_schedule(self, task: str) -> None:
        self._wire.delete(_schedule(task), type(None))

    def next_times(
        self, task: str, count: int = 10, plan: schedules.Timing | None = None
    ) -> schedules.NextTimes:
        """The next times of the task's schedule, or of ``plan`` if it had that one."""
        query = {"count": count, **(msgspec.to_builtins(plan) if plan else {})}
        return self._wire.get(f"{_schedule(task)}/next", schedules.NextTimes, query)

    def fires(self, task: str, page_index: int = 1, page_size: int = 20) -> schedules.FirePage:
        """Results of past times, latest first."""
        query = {"page_index": page_index, "page_size": page_size}
        return self._wire.get(f"{_schedule(task)}/fires", schedules.FirePage, query)

    def set_time_zone(self, time_zone: str) -> str:
        """Set the zone of schedules without one of their own; return it."""
        path, body = "/api/fyke/account/time-zone", schedules.TimeZone(time_zone)
        return self._wire.put(path, schedules.AccountZone, body).time_zone


def _one(task: str) -> str:
    return f"{TASKS}/{segment(task)}"


def _schedule(task: str) -> str:
    return f"/api/fyke/tasks/{segment(task)}/schedule"
