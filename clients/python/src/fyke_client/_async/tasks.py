"""Methods of the client for saved tasks and their schedules."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from fyke_client import types
from fyke_client._async.connection import AsyncConnection
from fyke_client._async.runs import run_input
from fyke_client._requests import json_request, new_idempotency_key, segment

TASKS = "/api/v2/worker-tasks"
TASKS_PAGE = 100


class AsyncTaskCalls:
    """Saved tasks and their schedules."""

    _connection: AsyncConnection

    async def create_task(
        self,
        worker: str,
        input: Mapping[str, Any],
        *,
        system: Mapping[str, Any] | None = None,
        title: str = "",
        version: str = "",
        description: str = "",
    ) -> str:
        """Save an input under a title; return the task's slug.

        ``input`` is the Worker's own, and ``system`` as for ``start``; or without ``system``, the
        whole object with ``parameters``. Without a version, each run uses the newest.
        """
        body = types.v2.tasks.NewTask(
            worker_id=worker.replace("/", "~"),
            input=_task_input(input, system),
            title=title or worker,
            version=version or "latest",
            description=description,
        )
        return (await self._connection.post(TASKS, types.v2.tasks.TaskCreated, body)).slug

    async def task_page(
        self, page_index: int = 1, page_size: int = 20, keyword: str = "", *, worker: str = ""
    ) -> types.v2.tasks.WorkerTaskPage:
        """A page of the tasks, newest first; ``keyword`` is part of a title or slug."""
        query = {"offset": page_index, "limit": page_size, "keyword": keyword}
        if worker:
            query["worker_id"] = worker.replace("/", "~")
        return await self._connection.get(TASKS, types.v2.tasks.WorkerTaskPage, query)

    async def tasks(
        self, *, worker: str = "", keyword: str = ""
    ) -> AsyncIterator[types.v2.tasks.WorkerTask]:
        """All tasks, newest first, requested in pages; ``keyword`` is part of a title or slug."""
        number = 1
        while True:
            page = await self.task_page(number, TASKS_PAGE, keyword, worker=worker)
            for item in page.items:
                yield item
            if len(page.items) < TASKS_PAGE:
                return
            number += 1

    async def task(self, task: str) -> types.v2.tasks.WorkerTask:
        return await self._connection.get(_task_path(task), types.v2.tasks.WorkerTask)

    async def checked_task(self, task: str) -> types.fyke.tasks.CheckedTask:
        """A task, and whether it can run as it is saved."""
        path = f"/api/fyke/tasks/{segment(task)}"
        return await self._connection.get(path, types.fyke.tasks.CheckedTask)

    async def update_task(
        self, task: str, *, title: str | None = None, description: str | None = None
    ) -> None:
        """Change title and description; None for unchanged."""
        body = types.v2.tasks.TaskChange(
            title=UNSET if title is None else title,
            description=UNSET if description is None else description,
        )
        await self._connection.put(_task_path(task), types.v2.tasks.TaskChanged, body)

    async def set_task_input(
        self,
        task: str,
        input: Mapping[str, Any],
        version: str = "",
        *,
        system: Mapping[str, Any] | None = None,
    ) -> None:
        """Replace the input, and the version unless it is empty; see ``create_task``."""
        body = types.v2.tasks.TaskInputChange(_task_input(input, system), version)
        await self._connection.put(f"{_task_path(task)}/input", types.v2.tasks.TaskChanged, body)

    async def delete_task(self, task: str) -> None:
        await self._connection.delete(_task_path(task), type(None))

    async def start_task(
        self, task: str, callback_url: str = "", *, idempotency_key: str = ""
    ) -> str:
        """Start a run of a task; return the run's slug."""
        request = json_request(
            "POST",
            f"{_task_path(task)}/runs",
            types.v2.fields.StartOptions(callback_url=callback_url),
            idempotency_key=idempotency_key or new_idempotency_key(),
        )
        return (await self._connection.answer(request, types.v2.runs.WorkerRunStarted)).run_slug

    # --- schedules -------------------------------------------------------------------------

    async def set_schedule(
        self,
        task: str,
        timing: types.fyke.schedules.Timing,
        *,
        overlap: str = "allow",
        enabled: bool = True,
    ) -> types.fyke.schedules.TaskSchedule:
        members = msgspec.structs.asdict(timing)
        body = types.fyke.schedules.ScheduleFields(overlap=overlap, enabled=enabled, **members)
        return await self._connection.put(
            _schedule_path(task), types.fyke.schedules.TaskSchedule, body
        )

    async def switch_schedule(self, task: str, *, on: bool) -> types.fyke.schedules.TaskSchedule:
        """Enable or disable the schedule; enabling resumes one that was paused."""
        path = f"{_schedule_path(task)}/{'resume' if on else 'pause'}"
        return await self._connection.post(path, types.fyke.schedules.TaskSchedule, {})

    async def schedule(self, task: str) -> types.fyke.schedules.TaskSchedule:
        return await self._connection.get(_schedule_path(task), types.fyke.schedules.TaskSchedule)

    async def delete_schedule(self, task: str) -> None:
        await self._connection.delete(_schedule_path(task), type(None))

    async def next_times(
        self, task: str, count: int = 10, timing: types.fyke.schedules.Timing | None = None
    ) -> types.fyke.schedules.NextTimes:
        """The next times of the task's schedule, or of ``timing`` if it is not None."""
        query = {"count": count, **(msgspec.to_builtins(timing) if timing else {})}
        return await self._connection.get(
            f"{_schedule_path(task)}/next", types.fyke.schedules.NextTimes, query
        )

    async def fires(
        self, task: str, page_index: int = 1, page_size: int = 20
    ) -> types.fyke.schedules.FirePage:
        """Results of past planned times, latest first."""
        query = {"page_index": page_index, "page_size": page_size}
        return await self._connection.get(
            f"{_schedule_path(task)}/fires", types.fyke.schedules.FirePage, query
        )

    async def set_time_zone(self, time_zone: str) -> str:
        """Set the account's time zone, for schedules without one; return it."""
        path, body = "/api/fyke/account/time-zone", types.fyke.schedules.TimeZone(time_zone)
        return (await self._connection.put(path, types.fyke.schedules.AccountZone, body)).time_zone


def _task_input(input: Mapping[str, Any], system: Mapping[str, Any] | None) -> dict[str, Any]:
    return dict(input) if system is None else run_input(input, system)


def _task_path(task: str) -> str:
    return f"{TASKS}/{segment(task)}"


def _schedule_path(task: str) -> str:
    return f"/api/fyke/tasks/{segment(task)}/schedule"
