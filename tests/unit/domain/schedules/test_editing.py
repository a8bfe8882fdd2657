"""Changes of a schedule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fyke.contracts.signals import SCHEDULES
from fyke.domain.schedules.editing import ScheduleEdit, change_schedule, copy_for_task, zone_of
from fyke.domain.schedules.rules import OWN_NAMES, Names
from fyke.errors import InvalidRequest
from fyke.model.schedule import (
    Fire,
    FireState,
    LatePolicy,
    OverlapPolicy,
    Schedule,
    ScheduleKind,
    ScheduleSpec,
)
from support import records
from support.stores import Stores

pytestmark = pytest.mark.anyio
START = 1_767_225_600_000  # 2026-01-01 00:00 UTC
HOUR = 3_600_000
DAILY = ScheduleEdit(True, ScheduleKind.DAILY, "09:00")


class Setup:
    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self.task = records.task(stores.account, stores.worker)
        stores.clock.advance((START - stores.clock.now_ms()) / 1000)

    async def change(self, edit: ScheduleEdit, names: Names = OWN_NAMES) -> Schedule | None:
        def work(tx) -> Schedule | None:
            change_schedule(tx, self.task, edit, names)
            return tx.schedules.get(self.task.id)

        return await self.stores.write(work)

    async def refused(self, edit: ScheduleEdit, names: Names = OWN_NAMES) -> str:
        """The field of the error; nothing is changed."""
        before = await self.stores.read(lambda tx: tx.schedules.get(self.task.id))
        with pytest.raises(InvalidRequest) as caught:
            await self.change(edit, names)
        assert await self.stores.read(lambda tx: tx.schedules.get(self.task.id)) == before
        return caught.value.problems[0].field


@pytest.fixture
async def setup(stores: Stores) -> Setup:
    made = Setup(stores)
    await stores.write(lambda tx: tx.tasks.add(made.task))
    return made


async def test_without_a_kind_there_is_no_schedule_and_none_can_be_switched_on(
    setup: Setup,
) -> None:
    assert await setup.change(ScheduleEdit(time="99:99")) is None
    assert await setup.change(ScheduleEdit(enabled=False)) is None
    assert await setup.refused(ScheduleEdit(enabled=True)) == "kind"
    assert SCHEDULES not in setup.stores.notified


async def test_errors_use_the_field_names_of_the_caller(setup: Setup) -> None:
    names = dict(OWN_NAMES) | {"kind": "frequency", "time": "run_time", "date": "run_date"}
    assert await setup.refused(ScheduleEdit(enabled=True), names) == "frequency"
    assert await setup.refused(ScheduleEdit(True, ScheduleKind.DAILY), names) == "run_time"
    past = ScheduleEdit(True, ScheduleKind.ONCE, "09:00", date="2025-12-31")
    assert await setup.refused(past, names) == "run_date"


async def test_missing_members_stay_and_members_of_other_kinds_are_removed(setup: Setup) -> None:
    await setup.change(replace(DAILY, time_zone="Asia/Tokyo", overlap=OverlapPolicy.SKIP))
    found = await setup.change(ScheduleEdit(kind=ScheduleKind.WEEKLY, weekday=3, day=31))
    assert found is not None
    assert found.spec == ScheduleSpec(
        ScheduleKind.WEEKLY, time="09:00", weekday=3, time_zone="Asia/Tokyo"
    )
    assert (found.overlap, found.late, found.enabled) == (
        OverlapPolicy.SKIP, LatePolicy.START, True,
    )  # fmt: skip
    cron = await setup.change(ScheduleEdit(kind=ScheduleKind.CRON, cron="0 0 * * *", time_zone=""))
    assert cron is not None
    assert cron.spec == ScheduleSpec(ScheduleKind.CRON, cron="0 0 * * *")


async def test_a_disabled_schedule_may_be_incomplete_but_not_invalid(setup: Setup) -> None:
    made = await setup.change(ScheduleEdit(False, ScheduleKind.MONTHLY, day=5))
    assert made is not None and (made.enabled, made.next_at) == (False, 0)
    assert await setup.refused(ScheduleEdit(enabled=True)) == "time"
    assert await setup.refused(ScheduleEdit(day=32)) == "day"
    assert await setup.refused(ScheduleEdit(time_zone="Mars")) == "time_zone"
    on = await setup.change(ScheduleEdit(enabled=True, time="08:00"))
    assert on is not None and on.next_at == START + (4 * 24 + 8) * HOUR


async def test_the_next_time_is_in_the_zone_of_the_schedule_or_of_the_account(
    setup: Setup,
) -> None:
    await setup.stores.write(
        lambda tx: tx.accounts.set_time_zone(setup.stores.account, "Asia/Tokyo")
    )
    found = await setup.change(DAILY)
    assert found is not None and found.next_at == START + 24 * HOUR  # 09:00 in that zone is now
    found = await setup.change(ScheduleEdit(time_zone="UTC"))
    assert found is not None and found.next_at == START + 9 * HOUR


async def test_an_unchanged_schedule_keeps_its_time_even_when_due(setup: Setup) -> None:
    made = await setup.change(DAILY)
    setup.stores.clock.advance(10 * 3600)
    kept = await setup.change(replace(DAILY, overlap=OverlapPolicy.QUEUE))
    assert made is not None and kept is not None
    assert (kept.next_at, kept.anchor_at, kept.revision) == (made.next_at, START, made.revision + 1)
    moved = await setup.change(ScheduleEdit(time="09:30"))
    assert moved is not None
    assert (moved.next_at, moved.anchor_at) == (START + 33 * HOUR + HOUR // 2, START + 10 * HOUR)


async def test_enabling_restarts_the_schedule(setup: Setup) -> None:
    made = await setup.change(DAILY)
    assert made is not None
    paused = replace(
        made, enabled=False, next_at=0, failures=3, paused_at=START, last_error="broken", missed=4
    )
    await setup.stores.write(lambda tx: tx.schedules.advance(made, paused))
    setup.stores.clock.advance(3600)
    again = await setup.change(ScheduleEdit(enabled=True))
    assert again is not None
    assert (again.failures, again.paused_at, again.last_error) == (0, 0, "")
    assert (again.next_at, again.anchor_at, again.missed) == (START + 9 * HOUR, START + HOUR, 4)


async def test_disabling_skips_a_waiting_time(setup: Setup) -> None:
    await setup.change(DAILY)
    waiting = Fire(setup.task.id, START, FireState.WAITING, "", "waits", 1, START)
    await setup.stores.write(lambda tx: tx.schedules.add_fire(waiting))
    await setup.change(ScheduleEdit(overlap=OverlapPolicy.QUEUE))
    assert await setup.stores.read(lambda tx: tx.schedules.waiting_of(setup.task.id)) == waiting
    off = await setup.change(ScheduleEdit(enabled=False))
    assert off is not None and off.next_at == 0
    _, [fire] = await setup.stores.read(
        lambda tx: tx.schedules.fires(setup.task.id, offset=0, limit=9)
    )
    assert (fire.state, fire.reason) == (FireState.SKIPPED, "switched off while it waited")
    assert SCHEDULES in setup.stores.notified


async def test_a_copy_has_the_rule_without_history(setup: Setup) -> None:
    made = await setup.change(replace(DAILY, late=LatePolicy.SKIP))
    assert made is not None
    used = replace(made, missed=3, last_error="x", last_fired_at=7, failures=2, paused_at=9)
    copy = copy_for_task(used, "other", START + 5)
    assert (copy.spec, copy.late, copy.overlap) == (made.spec, LatePolicy.SKIP, made.overlap)
    assert not any(
        (copy.enabled, copy.next_at, copy.missed, copy.last_error, copy.last_fired_at,
         copy.revision, copy.failures, copy.paused_at)
    )  # fmt: skip
    assert (copy.task_id, copy.created_at, copy.updated_at) == ("other", START + 5, START + 5)


def test_the_zone_is_that_of_the_schedule_the_account_or_utc() -> None:
    schedule = Schedule(
        "t", "a", ScheduleSpec(ScheduleKind.DAILY, time_zone="Asia/Tokyo"), OverlapPolicy.ALLOW,
        True, 0, 0, 0, "", 0, 0, 0, 0,
    )  # fmt: skip
    without = replace(schedule, spec=ScheduleSpec(ScheduleKind.DAILY))
    account = records.account(time_zone="Europe/Berlin")
    assert zone_of(schedule, account) == "Asia/Tokyo"
    assert zone_of(without, account) == "Europe/Berlin"
    assert zone_of(without, replace(account, time_zone="")) == "UTC"
