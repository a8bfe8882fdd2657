"""Schedules of tasks with all that they can do, and the account's time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import Field

from fyke.api.call import Call
from fyke.api.decode import PageIndex, PageSize20, Wire, WireBool, WireInt, WireName, WireText
from fyke.api.envelope import NULL, encode
from fyke.api.operations import Operation
from fyke.api.own import schedule_answers as answers
from fyke.api.v1.errors import TABLE, UNKNOWN_PATH
from fyke.api.v1.vocabulary import seconds
from fyke.domain.schedules.editing import ScheduleEdit
from fyke.domain.schedules.service import Schedules, ScheduleView
from fyke.domain.schedules.times import zone
from fyke.errors import Conflict, Forbidden, InvalidRequest, TaskNotFound
from fyke.model.schedule import Fire, LatePolicy, OverlapPolicy, ScheduleKind, ScheduleSpec

PATH = "/api/fyke/tasks/{slug}/schedule"


class TaskRef(Wire):
    slug: WireName


class PlanFields(TaskRef):
    """When to fire; what does not belong to the kind is ignored."""

    kind: WireText = Field("", description="daily, weekly, monthly, once, cron or interval")
    time: WireText = Field("", description="HH:MM: daily, weekly, monthly, once")
    weekday: WireInt = Field(0, description="1 (Monday) to 7 (Sunday): weekly")
    day: WireInt = Field(0, description="1 to 31: monthly; in a shorter month its last day")
    date: WireText = Field("", description="YYYY-MM-DD: once")
    cron: WireText = Field("", description="five fields: cron")
    every: WireInt = Field(0, description="seconds, 60 or more: interval")
    time_zone: WireText = Field("", description="IANA name; empty = the account's")


class NewSchedule(PlanFields):
    overlap: WireText = Field("allow", description="skip, queue or allow")
    late: WireText = Field("start", description="start or skip: a time that nobody was there for")
    enabled: WireBool = True
    revision: WireInt = Field(-1, description="only if it is still at this one; -1 = in any case")


class Preview(PlanFields):
    count: WireInt = 10


class FireList(TaskRef):
    page_index: PageIndex = 1
    page_size: PageSize20 = 20


class ZoneFields(Wire):
    time_zone: WireName


@dataclass(frozen=True, slots=True)
class ScheduleOperations:
    schedules: Schedules

    def operations(self) -> list[Operation[Any]]:
        return [*self._changing(), *self._looking(), self._zone()]

    def _changing(self) -> list[Operation[Any]]:
        unknown, denied = TABLE[TaskNotFound], TABLE[Forbidden]
        return [
            Operation(
                "PUT",
                PATH,
                id="setTaskSchedule",
                tag="Schedules",
                summary="Set the schedule of a task, whatever it was before",
                fields=NewSchedule,
                handler=self.put,
                answer=answers.TaskSchedule,
                errors=(unknown, denied, TABLE[Conflict]),
                path_fields=("slug",),
            ),
            *(
                Operation(
                    "POST",
                    f"{PATH}/{word}",
                    id=f"{word}TaskSchedule",
                    tag="Schedules",
                    summary=summary,
                    fields=TaskRef,
                    handler=handler,
                    answer=answers.TaskSchedule,
                    errors=(unknown, UNKNOWN_PATH, denied),
                    path_fields=("slug",),
                )
                for word, summary, handler in (
                    ("resume", "Switch a schedule on, also one that has paused", self.switch_on),
                    ("pause", "Switch a schedule off", self.switch_off),
                )
            ),
            Operation(
                "DELETE",
                PATH,
                id="deleteTaskSchedule",
                tag="Schedules",
                summary="Remove the schedule of a task with its history",
                fields=TaskRef,
                handler=self.delete,
                errors=(unknown, UNKNOWN_PATH, denied),
                path_fields=("slug",),
            ),
        ]

    def _looking(self) -> list[Operation[Any]]:
        unknown = TABLE[TaskNotFound]
        return [
            Operation(
                "GET",
                PATH,
                id="getTaskSchedule",
                tag="Schedules",
                summary="The schedule of a task",
                fields=TaskRef,
                handler=self.get,
                answer=answers.TaskSchedule,
                errors=(unknown, UNKNOWN_PATH),
                path_fields=("slug",),
            ),
            Operation(
                "GET",
                f"{PATH}/next",
                id="nextTaskTimes",
                tag="Schedules",
                summary="The next times of a schedule, also of one that is not saved",
                description="With `kind` and its members: of that schedule, without saving it.",
                fields=Preview,
                handler=self.ahead,
                answer=answers.NextTimes,
                errors=(unknown, UNKNOWN_PATH),
                path_fields=("slug",),
            ),
            Operation(
                "GET",
                f"{PATH}/fires",
                id="listTaskFires",
                tag="Schedules",
                summary="What came of past times, latest first",
                fields=FireList,
                handler=self.fires,
                answer=answers.FirePage,
                errors=(unknown, UNKNOWN_PATH),
                path_fields=("slug",),
            ),
        ]

    def _zone(self) -> Operation[Any]:
        return Operation(
            "PUT",
            "/api/fyke/account/time-zone",
            id="setAccountTimeZone",
            tag="Account",
            summary="Set the time zone of schedules that name none of their own",
            fields=ZoneFields,
            handler=self.set_zone,
            answer=answers.AccountZone,
            errors=(TABLE[Forbidden],),
        )

    async def put(self, call: Call, wanted: NewSchedule) -> bytes:
        plan = _plan(wanted)
        change = ScheduleEdit(
            enabled=wanted.enabled,
            kind=plan.kind,
            time=plan.time,
            weekday=plan.weekday,
            day=plan.day,
            date=plan.date,
            cron=plan.cron,
            every_s=plan.every_s,
            time_zone=plan.time_zone,
            overlap=_overlap(wanted.overlap),
            late=_late(wanted.late),
        )
        revision = None if wanted.revision < 0 else wanted.revision
        put = self.schedules.put(call.caller, wanted.slug, change, revision=revision)
        return encode(_schedule(await put))

    async def switch_on(self, call: Call, wanted: TaskRef) -> bytes:
        return encode(_schedule(await self.schedules.switch(call.caller, wanted.slug, on=True)))

    async def switch_off(self, call: Call, wanted: TaskRef) -> bytes:
        return encode(_schedule(await self.schedules.switch(call.caller, wanted.slug, on=False)))

    async def get(self, call: Call, wanted: TaskRef) -> bytes:
        return encode(_schedule(await self.schedules.get(call.caller, wanted.slug)))

    async def delete(self, call: Call, wanted: TaskRef) -> bytes:
        await self.schedules.delete(call.caller, wanted.slug)
        return NULL

    async def ahead(self, call: Call, wanted: Preview) -> bytes:
        plan = _plan(wanted) if wanted.kind else None
        found = await self.schedules.ahead(call.caller, wanted.slug, wanted.count, plan)
        return encode(
            {
                "time_zone": found.time_zone,
                "list": [_moment(moment, found.time_zone) for moment in found.times],
            }
        )

    async def fires(self, call: Call, wanted: FireList) -> bytes:
        offset = (wanted.page_index - 1) * wanted.page_size
        count, found = await self.schedules.fires(
            call.caller, wanted.slug, offset=offset, limit=wanted.page_size
        )
        return encode(
            {
                "count": count,
                "list": [_fire(fire) for fire in found],
                "page_index": wanted.page_index,
                "page_size": wanted.page_size,
            }
        )

    async def set_zone(self, call: Call, wanted: ZoneFields) -> bytes:
        account = await self.schedules.set_account_zone(call.caller, wanted.time_zone)
        return encode({"time_zone": account.time_zone})


def _plan(wanted: PlanFields) -> ScheduleSpec:
    word = wanted.kind.strip().lower()
    try:
        kind = ScheduleKind(word)
    except ValueError:
        raise InvalidRequest(f"kind must be one of {', '.join(ScheduleKind)}") from None
    return ScheduleSpec(
        kind=kind,
        time=wanted.time.strip(),
        weekday=wanted.weekday,
        day=wanted.day,
        date=wanted.date.strip(),
        cron=" ".join(wanted.cron.split()),
        every_s=wanted.every,
        time_zone=wanted.time_zone.strip(),
    )


def _overlap(word: str) -> OverlapPolicy:
    try:
        return OverlapPolicy(word.strip().lower())
    except ValueError:
        raise InvalidRequest(f"overlap must be one of {', '.join(OverlapPolicy)}") from None


def _late(word: str) -> LatePolicy:
    try:
        return LatePolicy(word.strip().lower())
    except ValueError:
        raise InvalidRequest(f"late must be one of {', '.join(LatePolicy)}") from None


def _schedule(view: ScheduleView) -> dict[str, Any]:
    schedule = view.schedule
    plan = schedule.plan
    return {
        "kind": plan.kind.value,
        "time": plan.time,
        "weekday": plan.weekday,
        "day": plan.day,
        "date": plan.date,
        "cron": plan.cron,
        "every": plan.every_s,
        "time_zone": view.time_zone,
        "zone_of_account": not plan.time_zone,
        "overlap": schedule.overlap.value,
        "late": schedule.late.value,
        "enabled": schedule.enabled,
        "failures": schedule.failures,
        "paused_at": seconds(schedule.paused_at),
        "revision": schedule.revision,
        "next_at": seconds(schedule.next_at),
        "last_fired_at": seconds(schedule.last_fired_at),
        "last_error": schedule.last_error,
        "missed": schedule.missed,
        "created_at": seconds(schedule.created_at),
        "updated_at": seconds(schedule.updated_at),
    }


def _moment(moment: int, zone_name: str) -> dict[str, Any]:
    local = datetime.fromtimestamp(moment // 1000, zone(zone_name))
    return {"at": seconds(moment), "local": local.isoformat()}


def _fire(fire: Fire) -> dict[str, Any]:
    return {
        "planned_at": seconds(fire.planned_at),
        "state": fire.state.value,
        "run_slug": fire.run_id,
        "reason": fire.reason,
        "count": fire.count,
        "at": seconds(fire.at),
    }
