"""Schedules of tasks and their times. Times are Unix seconds, 0 = none."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, field

from fyke.domain.schedules.rules import MAX_CRON, MAX_INTERVAL_S, MIN_INTERVAL_S
from fyke.domain.schedules.times import zone
from fyke.model.schedule import (
    MAX_NEXT_TIMES,
    FireState,
    LatePolicy,
    OverlapPolicy,
    ScheduleKind,
    ScheduleSpec,
)
from fyke.wire.common import Count, Page
from fyke.wire.fields import (
    Answer,
    Boolean,
    DocumentedAs,
    FieldError,
    Integer,
    Name,
    ParsedBy,
    Request,
    Text,
    ToChoice,
    to_text,
)
from fyke.wire.units import seconds

if TYPE_CHECKING:
    from fyke.domain.schedules.calendar import (
        CalendarDay,
        CalendarMonth,
        PlannedRun,
        ScheduleLine,
    )
    from fyke.domain.schedules.service import ScheduleView, UpcomingTimes
    from fyke.model.schedule import Fire

Moment = Annotated[int, Meta(ge=0, description="Unix seconds, 0 = none")]
PausedAt = Annotated[
    int, Meta(ge=0, description="when it was paused after failures, 0 = it was not")
]
MonthText = Annotated[
    str, Meta(pattern="^[0-9]{4}-[0-9]{2}$", description="YYYY-MM", examples=["2030-01"])
]

_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")
_TIME = "^((?:[01][0-9]|2[0-3]):[0-5][0-9])?$"
_DATE = "^([0-9]{4}-[0-9]{2}-[0-9]{2})?$"


# --- requests ------------------------------------------------------------------------------


class TimingFields(Request):
    """When to fire. Members that the kind does not use are ignored."""

    time: Annotated[
        Text,
        Meta(
            pattern=_TIME,
            description="HH:MM: daily, weekly, monthly, once",
            examples=["09:30"],
        ),
    ] = ""
    weekday: Annotated[
        Integer, Meta(ge=0, le=7, description="1 (Monday) to 7 (Sunday): weekly")
    ] = 0
    day: Annotated[
        Integer, Meta(ge=0, le=31, description="monthly; in a shorter month its last day")
    ] = 0
    date: Annotated[
        Text, Meta(pattern=_DATE, description="YYYY-MM-DD: once", examples=["2030-01-31"])
    ] = ""
    cron: Annotated[
        str, Meta(max_length=MAX_CRON, description="five fields: cron"), ParsedBy(to_text)
    ] = ""
    every: Annotated[
        Integer,
        Meta(ge=0, le=MAX_INTERVAL_S, description=f"seconds, from {MIN_INTERVAL_S}: interval"),
    ] = 0
    time_zone: Annotated[Text, Meta(description="IANA name; empty = the account's")] = ""

    def of_kind(self, kind: ScheduleKind) -> ScheduleSpec:
        """The schedule rule of ``kind``."""
        return ScheduleSpec(
            kind=kind,
            time=self.time.strip(),
            weekday=self.weekday,
            day=self.day,
            date=self.date.strip(),
            cron=" ".join(self.cron.split()),
            every_s=self.every,
            time_zone=self.time_zone.strip(),
        )


class Timing(TimingFields, kw_only=True):
    kind: Annotated[ScheduleKind, ParsedBy(ToChoice(ScheduleKind))]


class ScheduleFields(Timing, kw_only=True):
    """A complete schedule."""

    overlap: Annotated[str, DocumentedAs(OverlapPolicy), ParsedBy(ToChoice(OverlapPolicy))] = (
        "allow"
    )
    late: Annotated[
        LatePolicy,
        ParsedBy(ToChoice(LatePolicy)),
        Meta(description="what happens to a time that the server missed"),
    ] = LatePolicy.START
    enabled: Boolean = True
    revision: Annotated[Integer, Meta(ge=-1, description="the expected revision; -1 = any")] = -1


class TimesQuery(TimingFields, kw_only=True):
    """Times of the saved schedule, or with ``kind`` of the schedule in the query."""

    kind: Annotated[
        ScheduleKind | None,
        DocumentedAs(ScheduleKind),
        ParsedBy(ToChoice(ScheduleKind, optional=True)),
    ] = None
    count: Annotated[Integer, Meta(ge=1, le=MAX_NEXT_TIMES)] = 10


class TimeZone(Request):
    time_zone: Annotated[Name, Meta(description="IANA name")]


def to_month(value: object) -> tuple[int, int]:
    """Year and month of ``YYYY-MM``."""
    match = _MONTH.fullmatch(to_text(value).strip())
    if not match:
        raise FieldError("must be YYYY-MM, for example 2030-01")
    return int(match[1]), int(match[2])


class MonthQuery(Request):
    month: Annotated[tuple[int, int], DocumentedAs(MonthText), ParsedBy(to_month)]
    time_zone: Annotated[Text, Meta(description="IANA name; empty = the account's")] = ""


# --- answers -------------------------------------------------------------------------------


class TaskSchedule(Answer):
    kind: ScheduleKind
    time: str
    weekday: int
    day: int
    date: str
    cron: str
    every: Annotated[int, Meta(ge=0, description="seconds")]
    time_zone: Annotated[str, Meta(description="the time zone of its times")]
    zone_of_account: Annotated[bool, Meta(description="whether it is the account's time zone")]
    overlap: OverlapPolicy
    late: Annotated[LatePolicy, Meta(description="what happens to a time that the server missed")]
    enabled: bool
    failures: Annotated[Count, Meta(description="consecutive refused starts and failed runs")]
    paused_at: PausedAt
    revision: Annotated[Count, Meta(description="increases with every change by a user")]
    next_at: Moment
    last_fired_at: Moment
    last_error: Annotated[str, Meta(description="why the last planned run was refused")]
    missed: Annotated[Count, Meta(description="times that the server missed")]
    created_at: Moment
    updated_at: Moment

    @classmethod
    def of(cls, view: ScheduleView) -> TaskSchedule:
        schedule, spec = view.schedule, view.schedule.spec
        return cls(
            kind=spec.kind,
            time=spec.time,
            weekday=spec.weekday,
            day=spec.day,
            date=spec.date,
            cron=spec.cron,
            every=spec.every_s,
            time_zone=view.time_zone,
            zone_of_account=not spec.time_zone,
            overlap=schedule.overlap,
            late=schedule.late,
            enabled=schedule.enabled,
            failures=schedule.failures,
            paused_at=seconds(schedule.paused_at),
            revision=schedule.revision,
            next_at=seconds(schedule.next_at),
            last_fired_at=seconds(schedule.last_fired_at),
            last_error=schedule.last_error,
            missed=schedule.missed,
            created_at=seconds(schedule.created_at),
            updated_at=seconds(schedule.updated_at),
        )


class NextTime(Answer):
    at: Moment
    local: Annotated[str, Meta(description="the local time, ISO 8601")]

    @classmethod
    def of(cls, at: int, time_zone: str) -> NextTime:
        return cls(seconds(at), datetime.fromtimestamp(at // 1000, zone(time_zone)).isoformat())


class NextTimes(Answer):
    time_zone: str
    items: list[NextTime] = field(name="list")

    @classmethod
    def of(cls, upcoming: UpcomingTimes) -> NextTimes:
        return cls(
            upcoming.time_zone, [NextTime.of(at, upcoming.time_zone) for at in upcoming.times]
        )


class TaskFire(Answer):
    """A planned time and its result."""

    planned_at: Moment
    state: FireState
    run_slug: Annotated[str, Meta(description="the run that was started, or empty")]
    reason: str
    count: Annotated[Count, Meta(description="the number of consecutive times")]
    at: Moment

    @classmethod
    def of(cls, fire: Fire) -> TaskFire:
        planned_at, at = seconds(fire.planned_at), seconds(fire.at)
        return cls(planned_at, fire.state, fire.run_id, fire.reason, fire.count, at)


class FirePage(Page[TaskFire]):
    pass


class AccountZone(Answer):
    time_zone: str


class ScheduleLineItem(Answer):
    """A schedule in the list of all tasks."""

    task_slug: str
    title: str
    worker_path: str
    kind: ScheduleKind
    time_zone: str
    enabled: bool
    next_at: Moment
    last_fired_at: Moment
    last_error: str
    paused_at: PausedAt

    @classmethod
    def of(cls, line: ScheduleLine) -> ScheduleLineItem:
        schedule = line.schedule
        return cls(
            task_slug=line.task.id,
            title=line.task.title,
            worker_path=line.worker.path if line.worker else "",
            kind=schedule.spec.kind,
            time_zone=line.time_zone,
            enabled=schedule.enabled,
            next_at=seconds(schedule.next_at),
            last_fired_at=seconds(schedule.last_fired_at),
            last_error=schedule.last_error,
            paused_at=seconds(schedule.paused_at),
        )


class ScheduleLinePage(Page[ScheduleLineItem]):
    pass


class PlannedItem(Answer):
    task_slug: str
    title: str
    times: Annotated[list[NextTime], Meta(description="the first times of that day")]
    more: Annotated[bool, Meta(description="whether there are more times on that day")]

    @classmethod
    def of(cls, planned: PlannedRun, time_zone: str) -> PlannedItem:
        task = planned.line.task
        times = [NextTime.of(at, time_zone) for at in planned.times]
        return cls(task.id, task.title, times, planned.more)


class DayItem(Answer):
    date: Annotated[str, Meta(description="YYYY-MM-DD")]
    planned: list[PlannedItem]

    @classmethod
    def of(cls, day: CalendarDay, time_zone: str) -> DayItem:
        return cls(day.date.isoformat(), [PlannedItem.of(run, time_zone) for run in day.planned])


class MonthItem(Answer):
    month: MonthText
    time_zone: str
    left_out: Annotated[Count, Meta(description="the number of omitted schedules")]
    days: list[DayItem]

    @classmethod
    def of(cls, month: CalendarMonth) -> MonthItem:
        return cls(
            f"{month.year:04}-{month.month:02}",
            month.time_zone,
            month.left_out,
            [DayItem.of(day, month.time_zone) for day in month.days],
        )
