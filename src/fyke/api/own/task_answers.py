"""The shape of what this server's own routes of tasks and of all schedules answer."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from fyke.api.documents import Answer
from fyke.api.own.schedule_answers import Moment, NextTime, NextTimeItems
from fyke.api.v1.answers import Whole


class TaskLineItem(Answer):
    slug: str
    title: str
    worker_slug: str
    worker_path: Annotated[str, Field(description="empty once it is forgotten")]
    version: Annotated[str, Field(description="empty: the newest at the time of each run")]
    latest_version: str
    run_times: Whole
    last_run_slug: str
    last_run_state: Annotated[str, Field(description="empty: it never ran, or its run is gone")]
    schedule_kind: Annotated[str, Field(description="empty: no schedule")]
    schedule_enabled: bool
    next_at: Moment
    paused_at: Annotated[int, Field(ge=0, description="when failures switched it off, 0 = not")]
    fault: Annotated[
        str, Field(description="empty, worker_gone, version_gone, no_version or input")
    ]
    revision: Whole
    created_at: Moment
    updated_at: Moment


TaskLineItems = list[TaskLineItem]


class TaskLinePage(Answer):
    count: Whole
    list: TaskLineItems
    page_index: Whole
    page_size: Whole


class FieldProblem(Answer):
    field: str
    message: str


FieldProblems = list[FieldProblem]


class CheckedTask(TaskLineItem):
    description: str
    input: Annotated[dict[str, Any], Field(description="as it was saved")]
    problems: Annotated[FieldProblems, Field(description="where the input no longer fits")]


class ScheduleLineItem(Answer):
    task_slug: str
    title: str
    worker_path: str
    kind: str
    time_zone: str
    enabled: bool
    next_at: Moment
    last_fired_at: Moment
    last_error: str
    paused_at: Annotated[int, Field(ge=0, description="when failures switched it off, 0 = not")]


ScheduleLineItems = list[ScheduleLineItem]


class ScheduleLinePage(Answer):
    count: Whole
    list: ScheduleLineItems
    page_index: Whole
    page_size: Whole


class PlannedItem(Answer):
    task_slug: str
    title: str
    times: Annotated[NextTimeItems, Field(description="the first times of that day")]
    more: Annotated[bool, Field(description="whether further times follow on that day")]


PlannedItems = list[PlannedItem]


class DayItem(Answer):
    date: Annotated[str, Field(description="YYYY-MM-DD")]
    planned: PlannedItems


DayItems = list[DayItem]


class MonthItem(Answer):
    month: Annotated[str, Field(description="YYYY-MM")]
    time_zone: str
    days: DayItems
    left_out: Annotated[Whole, Field(description="schedules that are not shown")]


__all__ = ["CheckedTask", "MonthItem", "NextTime", "ScheduleLinePage", "TaskLinePage"]
