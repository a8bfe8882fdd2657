"""Schedules of tasks with all their members, the calendar, and the account's time zone."""

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
        self, call: Call, slug: Name, wanted: wire.ScheduleFields
    ) -> wire.TaskSchedule:
        """Set the schedule of a task; it replaces the present one as a whole.

        With the `revision` that was read (0 where there was no schedule) a schedule that another
        user has changed since stays as it is, and the answer is 409. A schedule that would never
        start a run is refused with the name of the member.
        """
        revision = None if wanted.revision < 0 else wanted.revision
        edit = _edit(wanted)
        found = await self.schedules.put(call.caller, slug, edit, revision=revision)
        return wire.TaskSchedule.of(found)

    @post(f"{PATH}/resume", scope=Scope.WRITE, errors=(TaskNotFound, NotFound, Forbidden))
    async def resume_task_schedule(self, call: Call, slug: Name) -> wire.TaskSchedule:
        """Switch a schedule on, even one that failures have paused.

        The count of failures starts at 0 again.
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
        self, call: Call, slug: Name, wanted: wire.TimesQuery
    ) -> wire.NextTimes:
        """The next times of a schedule, even of one that is not saved.

        With `kind` and its members: of that schedule, without saving it. A saved schedule that is
        off is treated as if it were switched on now.
        """
        plan = wanted.of_kind(wanted.kind) if wanted.kind else None
        found = await self.schedules.ahead(call.caller, slug, wanted.count, plan)
        return wire.NextTimes.of(found)

    @get(f"{PATH}/fires", scope=Scope.READ, errors=(TaskNotFound, NotFound))
    async def list_task_fires(self, call: Call, slug: Name, wanted: PageQuery) -> wire.FirePage:
        """Results of past times, latest first.

        They are kept for 90 days. Times that were missed in a row share one entry.
        """
        count, found = await self.schedules.fires(
            call.caller, slug, offset=wanted.offset, limit=wanted.page_size
        )
        return wire.FirePage.of(count, [wire.TaskFire.of(fire) for fire in found], wanted)

    @get("/api/fyke/schedules", scope=Scope.READ)
    async def list_schedules(self, call: Call, wanted: PageQuery) -> wire.ScheduleLinePage:
        """All schedules of the account, the next to fire first, those that are off last."""
        count, found = await self.calendar.page(
            call.caller, offset=wanted.offset, limit=wanted.page_size
        )
        items = [wire.ScheduleLineItem.of(line) for line in found]
        return wire.ScheduleLinePage.of(count, items, wanted)

    @get("/api/fyke/schedules/month", scope=Scope.READ)
    async def schedule_month(self, call: Call, wanted: wire.MonthQuery) -> wire.MonthItem:
        """The planned times of each day of a month, from now on.

        Of the 30 schedules that fire next, and of each at most three times a day.
        """
        year, month = wanted.month
        zone = wanted.time_zone.strip()
        return wire.MonthItem.of(await self.calendar.month(call.caller, year, month, zone))

    @put("/api/fyke/account/time-zone", scope=Scope.ADMIN, tag="Account", errors=(Forbidden,))
    async def set_account_time_zone(self, call: Call, wanted: wire.TimeZone) -> wire.AccountZone:
        """Set the time zone of schedules without a time zone of their own."""
        account = await self.schedules.set_account_zone(call.caller, wanted.time_zone)
        return wire.AccountZone(account.time_zone)


def _edit(wanted: wire.ScheduleFields) -> ScheduleEdit:
    return ScheduleEdit(
        enabled=wanted.enabled,
        overlap=OverlapPolicy(wanted.overlap),
        late=wanted.late,
        **asdict(wanted.of_kind(wanted.kind)),
    )
