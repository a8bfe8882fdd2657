"""Tasks: list, page of one task, and run, copy and delete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from fyke.console.once import once_key
from fyke.console.page import ConsolePage
from fyke.console.pages.run_pictures import RunPictures
from fyke.console.pages.task_notices import TaskNotices
from fyke.console.pages.task_schedule import schedule_label
from fyke.console.problems import problem_text
from fyke.console.reasons import error_text
from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.domain.runs.lists import RunLists
from fyke.domain.runs.service import Runs
from fyke.domain.schedules.service import Schedules
from fyke.domain.tasks.board import TaskBoard
from fyke.domain.tasks.service import Tasks
from fyke.domain.workers.promotion import is_tag
from fyke.errors import FykeError, InvalidRequest, NotFound
from fyke.model.run import Origin
from fyke.model.run_list import RunSearch
from fyke.model.schedule import Fire

AREA = "/tasks"
SIZE = 50
PAST_RUNS = 20  # on the page of a task


@dataclass(frozen=True, slots=True)
class TaskPages:
    board: TaskBoard
    tasks: Tasks
    runs: Runs
    schedules: Schedules
    lists: RunLists
    pictures: RunPictures
    notices: TaskNotices

    def pages(self) -> list[ConsolePage]:
        task_path = f"{AREA}/{{id}}"
        return [
            ConsolePage("GET", AREA, self.list, area=AREA),
            ConsolePage("GET", task_path, self.show, area=AREA),
            ConsolePage("GET", f"{task_path}/history", self.history, area=AREA),
            ConsolePage("POST", f"{task_path}/run", self.run, area=AREA),
            ConsolePage("POST", f"{task_path}/clone", self.clone, area=AREA),
            ConsolePage("POST", f"{task_path}/delete", self.delete, area=AREA),
            ConsolePage("POST", f"{task_path}/switch", self.switch, area=AREA),
        ]

    async def list(self, view: View) -> Response:
        keyword = view.query.get("q", "").strip()[:200]
        text = view.query.get("page", "1")
        number = int(text) if text.isdecimal() and 0 < int(text[:6]) < 100_000 else 1
        offset = (number - 1) * SIZE
        count, lines = await self.board.page(
            view.caller, offset=offset, limit=SIZE, keyword=keyword
        )
        return view.page_or_part(
            "tasks/list.html",
            "rows",
            area=AREA,
            lines=lines,
            pictures=await self.pictures.of_tasks(view, [line.task.id for line in lines]),
            keyword=keyword,
            count=count,
            first=offset + 1,
            last=offset + len(lines),
            number=number,
            more=offset + len(lines) < count,
            schedule_label=schedule_label,
        )

    async def show(self, view: View) -> Response:
        check = await self.board.check(view.caller, view.param("id"))
        schedule = check.line.schedule
        ahead = None
        if schedule is not None and schedule.enabled:
            ahead = await self.schedules.upcoming(view.caller, view.param("id"), 5, None)
        page = await self.lists.page(
            view.caller, RunSearch(task_id=check.line.task.id), size=PAST_RUNS
        )
        pictures = await self.pictures.of_tasks(view, [check.line.task.id])
        return view.page(
            "tasks/show.html",
            **frame_values(check, ""),
            **await self.notices.values(view, check.line.task),
            ahead=ahead,
            runs=page.rows,
            picture=pictures.get(check.line.task.id),
        )

    async def history(self, view: View) -> Response:
        check = await self.board.check(view.caller, view.param("id"))
        fires: list[Fire] = []
        if check.line.schedule is not None:
            _count, fires = await self.schedules.fires(
                view.caller, view.param("id"), offset=0, limit=100
            )
        return view.page("tasks/history.html", **frame_values(check, "/history"), fires=fires)

    async def run(self, view: View) -> Response:
        back = view.form.get("back") or f"{AREA}/{view.param('id')}"
        task_id = view.param("id")
        key = once_key(view.form, "task", task_id)
        try:
            run = await self.runs.start_task(view.caller, task_id, "", Origin.WEB, key=key)
        except NotFound:
            raise
        except FykeError as error:
            address = back if back == AREA else f"{AREA}/{task_id}"
            check = await self.board.check(view.caller, task_id)
            reason = error_text(error)[:300]
            if isinstance(error, InvalidRequest) and check.problems:  # the form lists them
                address = f"{AREA}/{task_id}/edit"
                reason = _("The saved input is no longer valid.")
            text = _("“%(task)s” was not started. %(reason)s")
            values = {"task": check.line.task.title, "reason": reason}
            return view.go(address, text % values, "bad")
        return view.go(f"/runs/{run.id}")

    async def clone(self, view: View) -> Response:
        copy = await self.tasks.clone(view.caller, view.param("id"))
        scheduled = (await self.board.check(view.caller, copy.id)).line.schedule is not None
        text = _("The task was copied. The schedule of the copy is off.")
        address = f"{AREA}/{copy.id}/edit"
        return view.go(address, text if scheduled else _("The task was copied."))

    async def delete(self, view: View) -> Response:
        await self.tasks.delete(view.caller, view.param("id"))
        return view.go(AREA, _("The task was deleted. Its runs are kept."))

    async def switch(self, view: View) -> Response:
        on = view.form.get("on") == "1"
        back = view.form.get("back")
        address = back if back in (AREA, "/schedules") else f"{AREA}/{view.param('id')}"
        try:
            await self.schedules.switch(view.caller, view.param("id"), on=on)
        except NotFound:
            raise
        except FykeError as error:
            return view.go(f"{AREA}/{view.param('id')}/schedule", error_text(error)[:300], "bad")
        text = _("The schedule is on.") if on else _("The schedule is off.")
        return view.go(address, text)


def frame_values(check: Any, tab: str) -> dict[str, Any]:
    """The values of the common frame of a task's pages."""
    base = f"{AREA}/{check.line.task.id}"
    return {
        "area": AREA,
        "check": check,
        "line": check.line,
        "task": check.line.task,
        "base": base,
        "tab": base + tab,
        "schedule_label": schedule_label,
        "problem_text": problem_text,
        "tagged": is_tag(check.line.task.version),
    }
