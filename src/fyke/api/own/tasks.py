"""Tasks as their members look after them, and all schedules of an account at one sight."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import Field

from fyke.api.call import Call
from fyke.api.decode import PageIndex, PageSize20, Wire, WireInt, WireName, WireText
from fyke.api.envelope import encode
from fyke.api.operations import Operation
from fyke.api.own import task_answers as answers
from fyke.api.run_input import RunInput
from fyke.api.v1.errors import TABLE
from fyke.api.v1.vocabulary import seconds
from fyke.domain.schedules.calendar import CalendarMonth, ScheduleCalendar, ScheduleLine
from fyke.domain.schedules.times import zone
from fyke.domain.tasks.board import TaskBoard, TaskCheck, TaskLine
from fyke.domain.tasks.service import TaskEdit, Tasks
from fyke.errors import Conflict, Forbidden, InvalidRequest, TaskNotFound, VersionUnavailable

PATH = "/api/fyke/tasks"
_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")


class TaskRef(Wire):
    slug: WireName


class TaskList(Wire):
    keyword: WireText = Field("", description="in title or id")
    page_index: PageIndex = 1
    page_size: PageSize20 = 20


class EditFields(TaskRef):
    revision: WireInt = Field(description="as it was read: another one is refused")
    title: WireText | None = None
    description: WireText | None = None
    version: WireText | None = Field(None, description="empty = the newest of each day")
    input: RunInput | None = None


class ScheduleList(Wire):
    page_index: PageIndex = 1
    page_size: PageSize20 = 20


class MonthFields(Wire):
    month: WireName = Field(description="YYYY-MM")
    time_zone: WireText = Field("", description="IANA name; empty = the account's")


@dataclass(frozen=True, slots=True)
class TaskOperations:
    tasks: Tasks
    board: TaskBoard
    calendar: ScheduleCalendar

    def operations(self) -> list[Operation[Any]]:
        return [*self._tasks(), *self._schedules()]

    def _tasks(self) -> list[Operation[Any]]:
        unknown, denied = TABLE[TaskNotFound], TABLE[Forbidden]
        return [
            Operation(
                "GET",
                PATH,
                id="listTaskBoard",
                tag="Tasks",
                summary="Tasks with schedule, next run, last result, and what is wrong with them",
                fields=TaskList,
                handler=self.list,
                answer=answers.TaskLinePage,
            ),
            Operation(
                "GET",
                f"{PATH}/{{slug}}",
                id="checkTask",
                tag="Tasks",
                summary="One task, and whether it can run as it is saved",
                fields=TaskRef,
                handler=self.check,
                answer=answers.CheckedTask,
                errors=(unknown,),
                path_fields=("slug",),
            ),
            Operation(
                "PUT",
                f"{PATH}/{{slug}}",
                id="editTask",
                tag="Tasks",
                summary="Change a task unless somebody else has in the meantime",
                fields=EditFields,
                handler=self.edit,
                answer=answers.CheckedTask,
                errors=(unknown, denied, TABLE[Conflict], TABLE[VersionUnavailable]),
                path_fields=("slug",),
            ),
            Operation(
                "POST",
                f"{PATH}/{{slug}}/clone",
                id="cloneTask",
                tag="Tasks",
                summary="Make another task of the same input; its schedule is off",
                fields=TaskRef,
                handler=self.clone,
                answer=answers.CheckedTask,
                errors=(unknown, denied),
                path_fields=("slug",),
            ),
        ]

    def _schedules(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/api/fyke/schedules",
                id="listSchedules",
                tag="Schedules",
                summary="All schedules of the account, the next to fire first",
                fields=ScheduleList,
                handler=self.schedules,
                answer=answers.ScheduleLinePage,
            ),
            Operation(
                "GET",
                "/api/fyke/schedules/month",
                id="scheduleMonth",
                tag="Schedules",
                summary="What is planned on each day of a month, from now on",
                fields=MonthFields,
                handler=self.month,
                answer=answers.MonthItem,
            ),
        ]

    async def list(self, call: Call, wanted: TaskList) -> bytes:
        offset = (wanted.page_index - 1) * wanted.page_size
        count, found = await self.board.page(
            call.caller, offset=offset, limit=wanted.page_size, keyword=wanted.keyword.strip()
        )
        return encode(_page(count, [_line(line) for line in found], wanted))

    async def check(self, call: Call, wanted: TaskRef) -> bytes:
        return encode(_checked(await self.board.check(call.caller, wanted.slug)))

    async def edit(self, call: Call, wanted: EditFields) -> bytes:
        edit = TaskEdit(wanted.title, wanted.description, wanted.version, wanted.input)
        await self.tasks.edit(call.caller, wanted.slug, edit, wanted.revision)
        return encode(_checked(await self.board.check(call.caller, wanted.slug)))

    async def clone(self, call: Call, wanted: TaskRef) -> bytes:
        made = await self.tasks.clone(call.caller, wanted.slug)
        return encode(_checked(await self.board.check(call.caller, made.id)))

    async def schedules(self, call: Call, wanted: ScheduleList) -> bytes:
        offset = (wanted.page_index - 1) * wanted.page_size
        count, found = await self.calendar.page(call.caller, offset=offset, limit=wanted.page_size)
        return encode(_page(count, [_schedule(line) for line in found], wanted))

    async def month(self, call: Call, wanted: MonthFields) -> bytes:
        year, number = read_month(wanted.month)
        found = await self.calendar.month(call.caller, year, number, wanted.time_zone.strip())
        return encode(_month(found))


def read_month(text: str) -> tuple[int, int]:
    """Year and month of ``YYYY-MM``. Raise ``InvalidRequest``."""
    match = _MONTH.fullmatch(text.strip())
    if not match:
        raise InvalidRequest("month must be written as YYYY-MM, such as 2030-01")
    return int(match[1]), int(match[2])


def _page(
    count: int, items: list[dict[str, Any]], wanted: TaskList | ScheduleList
) -> dict[str, Any]:
    return {
        "count": count,
        "list": items,
        "page_index": wanted.page_index,
        "page_size": wanted.page_size,
    }


def _line(line: TaskLine) -> dict[str, Any]:
    task, schedule = line.task, line.schedule
    return {
        "slug": task.id,
        "title": task.title,
        "worker_slug": task.worker_id,
        "worker_path": line.worker.path if line.worker else "",
        "version": task.version,
        "latest_version": line.latest,
        "run_times": task.run_times,
        "last_run_slug": task.last_run_id,
        "last_run_state": line.last_run.state.value if line.last_run else "",
        "schedule_kind": schedule.plan.kind.value if schedule else "",
        "schedule_enabled": schedule.enabled if schedule else False,
        "next_at": seconds(schedule.next_at) if schedule else 0,
        "paused_at": seconds(schedule.paused_at) if schedule else 0,
        "fault": line.fault.value if line.fault else "",
        "revision": task.revision,
        "created_at": seconds(task.created_at),
        "updated_at": seconds(task.updated_at),
    }


def _checked(check: TaskCheck) -> dict[str, Any]:
    return {
        **_line(check.line),
        "description": check.line.task.description,
        "input": json.loads(check.line.task.input_json),
        "problems": [{"field": name, "message": text} for name, text in check.problems],
    }


def _schedule(line: ScheduleLine) -> dict[str, Any]:
    schedule = line.schedule
    return {
        "task_slug": line.task.id,
        "title": line.task.title,
        "worker_path": line.worker.path if line.worker else "",
        "kind": schedule.plan.kind.value,
        "time_zone": line.time_zone,
        "enabled": schedule.enabled,
        "next_at": seconds(schedule.next_at),
        "last_fired_at": seconds(schedule.last_fired_at),
        "last_error": schedule.last_error,
        "paused_at": seconds(schedule.paused_at),
    }


def _month(month: CalendarMonth) -> dict[str, Any]:
    tz = zone(month.time_zone)
    return {
        "month": f"{month.year:04}-{month.month:02}",
        "time_zone": month.time_zone,
        "left_out": month.left_out,
        "days": [
            {
                "date": day.date.isoformat(),
                "planned": [
                    {
                        "task_slug": planned.line.task.id,
                        "title": planned.line.task.title,
                        "times": [
                            {
                                "at": seconds(at),
                                "local": datetime.fromtimestamp(at // 1000, tz).isoformat(),
                            }
                            for at in planned.times
                        ],
                        "more": planned.more,
                    }
                    for planned in day.planned
                ],
            }
            for day in month.days
        ],
    }
