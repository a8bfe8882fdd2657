"""The shape of what the schedule routes answer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fyke.api.documents import Answer
from fyke.api.v1.answers import Whole

Moment = Annotated[int, Field(ge=0, description="Unix seconds; 0 = none")]


class TaskSchedule(Answer):
    kind: str
    time: str
    weekday: int
    day: int
    date: str
    cron: str
    every: Annotated[int, Field(description="seconds")]
    time_zone: Annotated[str, Field(description="the zone in which its times are meant")]
    zone_of_account: Annotated[bool, Field(description="whether that is the account's zone")]
    overlap: str
    late: Annotated[str, Field(description="start or skip, for times that nobody was there for")]
    enabled: bool
    failures: Annotated[Whole, Field(description="refused starts and failed runs in a row")]
    paused_at: Annotated[int, Field(ge=0, description="when failures switched it off, 0 = not")]
    revision: Annotated[Whole, Field(description="grows with every change by people")]
    next_at: Moment
    last_fired_at: Moment
    last_error: Annotated[str, Field(description="why the last planned run was refused")]
    missed: Annotated[Whole, Field(description="planned times for which nobody was there")]
    created_at: Moment
    updated_at: Moment


class NextTime(Answer):
    at: Moment
    local: Annotated[str, Field(description="the same with the zone's own clock, ISO 8601")]


NextTimeItems = list[NextTime]  # named, because a field called list hides the builtin


class NextTimes(Answer):
    time_zone: str
    list: NextTimeItems


class TaskFire(Answer):
    planned_at: Moment
    state: Annotated[str, Field(description="started, waiting, skipped, missed or refused")]
    run_slug: Annotated[str, Field(description="the run that was started, else empty")]
    reason: str
    count: Annotated[Whole, Field(description="how many times in a row this tells of")]
    at: Moment


TaskFireItems = list[TaskFire]


class FirePage(Answer):
    count: Whole
    list: TaskFireItems
    page_index: int
    page_size: int


class AccountZone(Answer):
    time_zone: str
