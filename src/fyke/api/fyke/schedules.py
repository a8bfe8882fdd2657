"""Schedules of tasks, the calendar, and the account's time zone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import delete, get, post, put
from fyke.domain.schedules.calendar import ScheduleCalendar
from fyke.domain.schedules.editing import ScheduleEdit
from fyke.domain.schedules.service import Schedules
from fyke.errors import Conflict, Forbidden, NotFound, TaskNotFound
from fyke.model.account import Scope
from fyke.model.schedule import OverlapPolicy
from fyke.wire.common import PageQuery
from fyke.wire.fields import Name
from fyke.wire.fyke import schedules as wire

PATH = "/api/fyke/tasks/{slug}/schedule"


@dataclass(frozen=True, slots=True)
class ScheduleRoutes:
    tag: ClassVar[str] = "Schedules"

    schedules: Schedules
    calendar: ScheduleCalendar

    @put(PATH, scope=Scope.WRITE, errors=(TaskNotFound, Forbidden, Conflict))
    async def set_task_schedule(
        self, call: Call, slug: Name, body: wire.ScheduleFields
    ) -> wire.TaskSchedule:
        """Set or replace the whole schedule of a task.

        With the `revision` that was read (0 without a schedule) the answer is 409 if another user
        has changed the schedule since. A schedule that would never start a run is refused. One
        that is on also needs the scope `run`.
        """
        revision = None if body.revision < 0 else body.revision
        edit = _edit(body)
        schedule = await self.schedules.put(call.caller, slug, edit, revision=revision)
        return wire.TaskSchedule.of(schedule)

    @post(
        f"{PATH}/resume",
        scope=frozenset({Scope.RUN, Scope.WRITE}),
        errors=(TaskNotFound, NotFound, Forbidden),
    )
    async def resume_task_schedule(self, call: Call, slug: Name) -> wire.TaskSchedule:
        """Switch a schedule on, even one that was paused after failures.

        The count of failures is reset to 0.
        """
        return wire.TaskSchedule.of(await self.schedules.switch(call.caller, slug, on=True))

    @post(f"{PATH}/pause", scope=Scope.WRITE, errors=(TaskNotFound, NotFound, Forbidden))
    async def pause_task_schedule(self, call: Call, slug: Name) -> wire.TaskSchedule:
        """Switch a schedule off."""
        return wire.TaskSchedule.of(await self.schedules.switch(call.caller, slug, on=False))

    @delete(PATH, scope=Scope.WRITE, errors=(TaskNotFound, NotFound, Forbidden))
    async def delete_task_schedule(self, call: Call, slug: Name) -> None:
        """Delete the schedule of a task with its history."""
        await self.schedules.delete(call.caller, slug)

    @get(PATH, scope=Scope.READ, errors=(TaskNotFound, NotFound))
    async def get_task_schedule(self, call: Call, slug: Name) -> wire.TaskSchedule:
        """The schedule of a task."""
        return wire.TaskSchedule.of(await self.schedules.get(call.caller, slug))

    @get(f"{PATH}/next", scope=Scope.READ, errors=(TaskNotFound, NotFound))
    async def next_task_times(
        self, call: Call, slug: Name, query: wire.TimesQuery
    ) -> wire.NextTimes:
        """The next times of a saved or unsaved schedule.

        With `kind` and its members, those of that schedule, which is not saved. A saved schedule
        that is off is treated as if it were switched on now.
        """
        spec = query.of_kind(query.kind) if query.kind else None
        times = await self.schedules.upcoming(call.caller, slug, query.count, spec)
        return wire.NextTimes.of(times)

    @get(f"{PATH}/fires", scope=Scope.READ, errors=(TaskNotFound, NotFound))
    async def list_task_fires(self, call: Call, slug: Name, query: PageQuery) -> wire.FirePage:
        """Results of past planned times, latest first.

        They are stored for 90 days. Consecutive missed times share one entry.
        """
        count, fires = await self.schedules.fires(
            call.caller, slug, offset=query.offset, limit=query.page_size
        )
        return wire.FirePage.of(count, [wire.TaskFire.of(fire) for fire in fires], query)

    @get("/api/fyke/schedules", scope=Scope.READ)
    async def list_schedules(self, call: Call, query: PageQuery) -> wire.ScheduleLinePage:
        """All schedules of the account, the next to fire first, those that are off last."""
        count, lines = await self.calendar.page(
            call.caller, offset=query.offset, limit=query.page_size
        )
        items = [wire.ScheduleLineItem.of(line) for line in lines]
        return wire.ScheduleLinePage.of(count, items, query)

    @get("/api/fyke/schedules/month", scope=Scope.READ)
    async def schedule_month(self, call: Call, query: wire.MonthQuery) -> wire.MonthItem:
        """The planned times of each day of a month, from now on.

        For the 30 schedules that fire next, at most three times a day of each.
        """
        year, month = query.month
        zone = query.time_zone.strip()
        return wire.MonthItem.of(await self.calendar.month(call.caller, year, month, zone))

    @put("/api/fyke/account/time-zone", scope=Scope.ADMIN, tag="Account", errors=(Forbidden,))
    async def set_account_time_zone(self, call: Call, body: wire.TimeZone) -> wire.AccountZone:
        """Set the time zone of schedules without a time zone of their own."""
        account = await self.schedules.set_account_zone(call.caller, body.time_zone)
        return wire.AccountZone(account.time_zone)


def _edit(body: wire.ScheduleFields) -> ScheduleEdit:
    return ScheduleEdit(
        enabled=body.enabled,
        overlap=OverlapPolicy(body.overlap),
        late=body.late,
        **asdict(body.of_kind(body.kind)),
    )
