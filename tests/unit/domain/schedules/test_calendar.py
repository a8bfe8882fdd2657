"""The schedules of an account as a list and as a month."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from fyke.domain.schedules import calendar as module
from fyke.domain.schedules.calendar import CalendarMonth, ScheduleCalendar
from fyke.domain.schedules.editing import ScheduleEdit, change_schedule
from fyke.domain.schedules.rules import OWN_NAMES
from fyke.errors import InvalidRequest, UserMissing
from fyke.model.schedule import ScheduleKind
from fyke.model.task import Task
from support import records
from support.stores import Stores

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


class Setup:
    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self.calendar = ScheduleCalendar(stores.storage)
        stores.clock.advance(NOW.timestamp() - stores.clock.now_ms() / 1000)

    async def task(self, title: str, edit: ScheduleEdit) -> Task:
        task = records.task(self.stores.account, self.stores.worker, title=title)

        def work(tx) -> None:
            tx.tasks.add(task)
            change_schedule(tx, task, edit, OWN_NAMES)

        await self.stores.write(work)
        return task

    async def month(self, year: int = 2026, month: int = 3, zone: str = "UTC") -> CalendarMonth:
        return await self.calendar.month(self.stores.caller, year, month, zone)


@pytest.fixture
async def setup(stores: Stores) -> AsyncIterator[Setup]:
    yield Setup(stores)


def daily(time: str, zone: str = "") -> ScheduleEdit:
    return ScheduleEdit(True, ScheduleKind.DAILY, time, time_zone=zone)


def cron(text: str) -> ScheduleEdit:
    return ScheduleEdit(True, ScheduleKind.CRON, cron=text)


def planned(found: CalendarMonth) -> dict[int, list[str]]:
    """Titles with their times in UTC, by day of the month."""
    return {
        day.date.day: [
            f"{one.line.task.title} "
            + ",".join(f"{datetime.fromtimestamp(at / 1000, UTC):%H:%M}" for at in one.times)
            + ("+" if one.more else "")
            for one in day.planned
        ]
        for day in found.days
        if day.planned
    }


@pytest.mark.parametrize(
    ("year", "month", "zone", "field"),
    [(2026, 0, "", "month"), (2026, 13, "", "month"), (1999, 12, "", "month"),
     (9001, 1, "", "month"), (2026, 3, "Mars/Olympus", "time_zone")],
)  # fmt: skip
async def test_an_invalid_month_or_zone_is_refused(
    setup: Setup, year: int, month: int, zone: str, field: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await setup.month(year, month, zone)
    assert refused.value.problems[0].field == field


async def test_a_month_has_all_its_days_and_starts_from_now_on(setup: Setup) -> None:
    await setup.task("noon", daily("12:00"))
    await setup.task("evening", daily("20:00"))
    found = await setup.month()
    assert [day.date for day in found.days] == [date(2026, 3, n) for n in range(1, 32)]
    assert planned(found) == {10: ["evening 20:00"]} | {
        n: ["noon 12:00", "evening 20:00"] for n in range(11, 32)
    }
    assert planned(await setup.month(2026, 2)) == {}
    assert len(planned(await setup.month(2028, 2))) == 29


async def test_a_start_is_on_its_day_in_the_requested_zone(setup: Setup) -> None:
    await setup.task("berlin", daily("00:30", "Europe/Berlin"))
    assert planned(await setup.month(zone="Europe/Berlin"))[11] == ["berlin 23:30"]
    assert planned(await setup.month())[10] == ["berlin 23:30"]
    tokyo = planned(await setup.month(2026, 4, "Asia/Tokyo"))
    assert tokyo[1] == ["berlin 22:30"]  # on the last day of March in UTC


async def test_without_a_zone_the_accounts_is_used(setup: Setup) -> None:
    await setup.stores.write(
        lambda tx: tx.accounts.set_time_zone(setup.stores.account, "Asia/Tokyo")
    )
    await setup.task("nine", daily("09:00"))
    found = await setup.calendar.month(setup.stores.caller, 2026, 3)
    assert (found.time_zone, planned(found)[11]) == ("Asia/Tokyo", ["nine 00:00"])


async def test_a_day_lists_three_times_and_whether_there_are_more(setup: Setup) -> None:
    await setup.task("often", cron("*/15 22,23 11,12 * *"))
    await setup.task("thrice", cron("0 1-3 12 3 *"))
    assert planned(await setup.month()) == {
        11: ["often 22:00,22:15,22:30+"],
        12: ["thrice 01:00,02:00,03:00", "often 22:00,22:15,22:30+"],
    }


async def test_a_schedule_that_fires_once_is_on_its_day_only(setup: Setup) -> None:
    await setup.task("once", ScheduleEdit(True, ScheduleKind.ONCE, "08:00", date="2026-04-30"))
    assert planned(await setup.month()) == {}
    assert planned(await setup.month(2026, 4)) == {30: ["once 08:00"]}
    assert planned(await setup.month(2026, 5)) == {}


async def test_an_interval_counts_from_its_start(setup: Setup) -> None:
    await setup.task("days", ScheduleEdit(True, ScheduleKind.INTERVAL, every_s=10 * 86_400))
    assert planned(await setup.month()) == {20: ["days 12:00"], 30: ["days 12:00"]}


async def test_disabled_schedules_are_listed_last_and_not_in_months(setup: Setup) -> None:
    await setup.task("off", replace(daily("13:00"), enabled=False))
    await setup.task("late", daily("23:00"))
    await setup.task("soon", daily("13:00"))
    count, lines = await setup.calendar.page(setup.stores.caller, offset=0, limit=9)
    assert (count, [line.task.title for line in lines]) == (3, ["soon", "late", "off"])
    assert {line.time_zone for line in lines} == {"UTC"}
    assert planned(await setup.month())[31] == ["soon 13:00", "late 23:00"]


async def test_a_month_has_the_number_of_schedules_left_out(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SHOWN", 2)
    for hour in (15, 14, 13):
        await setup.task(str(hour), daily(f"{hour}:00"))
    found = await setup.month()
    assert (found.left_out, planned(found)[10]) == (1, ["13 13:00", "14 14:00"])
    monkeypatch.setattr(module, "MAX_SHOWN", 3)
    await setup.task("off", replace(daily("13:00"), enabled=False))
    assert len(planned(await setup.month())[10]) == 3


async def test_another_account_has_no_schedules_and_a_removed_one_is_an_error(
    setup: Setup,
) -> None:
    await setup.task("noon", daily("12:00"))
    stranger = records.account()
    await setup.stores.write(lambda tx: tx.accounts.add(stranger))
    caller = replace(setup.stores.caller, account_id=stranger.id)
    assert await setup.calendar.page(caller, offset=0, limit=9) == (0, [])
    with pytest.raises(UserMissing):
        await setup.calendar.month(replace(caller, account_id="gone"), 2026, 3)
