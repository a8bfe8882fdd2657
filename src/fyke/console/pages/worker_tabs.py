"""Tabs of a Worker: readme, output fields, runs, tasks, schedules, changelog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from fyke.console.markdown import UntrustedMarkdown, in_regions
from fyke.console.page import ConsolePage
from fyke.console.pages.run_pictures import RunPictures
from fyke.console.pages.task_schedule import schedule_label
from fyke.console.pages.worker_frame import WorkerFrame, WorkerFrames
from fyke.console.trends import trends_of
from fyke.console.view import View
from fyke.domain.catalog.output_fields import OutputFields
from fyke.domain.runs.service import Runs
from fyke.domain.tasks.board import TaskBoard
from fyke.domain.tasks.service import Tasks, TaskView
from fyke.domain.workers.history import VersionHistory
from fyke.domain.workers.service import Workers
from fyke.errors import VersionUnavailable
from fyke.model.run import RunFilter
from fyke.model.worker import Version

AREA = "/store"
ROWS = 20


@dataclass(frozen=True, slots=True)
class WorkerTabPages:
    frames: WorkerFrames
    workers: Workers
    history: VersionHistory
    output_fields: OutputFields
    runs: Runs
    tasks: Tasks
    board: TaskBoard
    markdown: UntrustedMarkdown
    pictures: RunPictures

    def pages(self) -> list[ConsolePage]:
        at = "/w/{owner}/{name}"
        return [
            ConsolePage("GET", f"{at}/readme", self.readme, area=AREA),
            ConsolePage("GET", f"{at}/output", self.output, area=AREA),
            ConsolePage("GET", f"{at}/runs", self.past_runs, area=AREA),
            ConsolePage("GET", f"{at}/trends", self.trends, area=AREA),
            ConsolePage("GET", f"{at}/tasks", self.task_list, area=AREA),
            ConsolePage("GET", f"{at}/schedules", self.schedules, area=AREA),
            ConsolePage("GET", f"{at}/changelog", self.changelog, area=AREA),
        ]

    async def readme(self, view: View) -> Response:
        frame = await self.frames.get(view, "/readme")
        version = await self._latest(view, frame)
        readme = await self.markdown.to_html(
            frame.worker.account_id, version.readme if version else ""
        )
        shown = in_regions(readme, frame.worker.title)
        return view.page("workers/readme.html", frame=frame, readme=shown)

    async def output(self, view: View) -> Response:
        frame = await self.frames.get(view, "/output")
        fields = await self.output_fields.get(
            view.caller, frame.worker, await self._latest(view, frame)
        )
        return view.page("workers/output.html", frame=frame, output=fields)

    async def past_runs(self, view: View) -> Response:
        frame = await self.frames.get(view, "/runs")
        offset = _offset(view)
        total, runs = await self.runs.list(
            view.caller, RunFilter(worker_id=frame.worker.id), offset=offset, limit=ROWS
        )
        return view.page(
            "workers/runs.html", frame=frame, runs=runs, **_window(frame, "/runs", offset, total)
        )

    async def trends(self, view: View) -> Response:
        frame = await self.frames.get(view, "/trends")
        points = await self.pictures.recent.trend(view.caller, frame.worker.id)
        now = view.context.clock.now_ms()
        priced = view.context.priced or any(point.usage_micros for point in points)
        return view.page(
            "workers/trends.html",
            frame=frame,
            priced_runs=priced,
            now=now,
            trends=trends_of(points, now, view.zone, priced=priced),
        )

    async def task_list(self, view: View) -> Response:
        frame = await self.frames.get(view, "/tasks")
        offset = _offset(view)
        total, tasks = await self.board.page(
            view.caller, offset=offset, limit=ROWS, worker_id=frame.worker.id
        )
        return view.page(
            "workers/tasks.html",
            frame=frame,
            tasks=tasks,
            pictures=await self.pictures.of_tasks(view, [listed.task.id for listed in tasks]),
            **_window(frame, "/tasks", offset, total),
        )

    async def schedules(self, view: View) -> Response:
        frame = await self.frames.get(view, "/schedules")
        _, tasks = await self.tasks.list(
            view.caller, offset=0, limit=1000, worker_id=frame.worker.id
        )
        scheduled = [task for task in tasks if task.schedule is not None]
        scheduled.sort(key=_next_start)
        return view.page(
            "workers/schedules.html",
            frame=frame,
            tasks=scheduled,
            task_count=len(tasks),
            schedule_label=schedule_label,
            pictures=await self.pictures.of_tasks(view, [planned.task.id for planned in scheduled]),
        )

    async def changelog(self, view: View) -> Response:
        frame = await self.frames.get(view, "/changelog")
        changelog = await self.history.changelog(view.caller, frame.worker.id)
        note = await self.markdown.to_html(frame.worker.account_id, changelog.text)
        shown = in_regions(note, frame.worker.title)
        return view.page(
            "workers/changelog.html", frame=frame, changelog=changelog, author_note=shown
        )

    async def _latest(self, view: View, frame: WorkerFrame) -> Version | None:
        try:
            return await self.workers.version(view.caller, frame.worker)
        except VersionUnavailable:
            return None


def _next_start(task: TaskView) -> int:
    """Sort key: milliseconds of the next start; schedules without one come last."""
    return task.schedule.next_at or 2**62 if task.schedule else 0


def _offset(view: View) -> int:
    page = view.query.get("page", "")
    number = int(page) if page.isascii() and page.isdecimal() and len(page) < 7 else 1
    return (max(1, number) - 1) * ROWS


def _window(frame: WorkerFrame, tab: str, offset: int, total: int) -> dict[str, Any]:
    """The range of a page of a list, and the addresses of the adjacent pages."""
    page = offset // ROWS + 1
    at = f"{frame.base}{tab}"
    return {
        "total": total,
        "first": offset + 1,
        "last": min(offset + ROWS, total),
        "before": f"{at}?page={page - 1}" if page > 1 else "",
        "after": f"{at}?page={page + 1}" if offset + ROWS < total else "",
    }
