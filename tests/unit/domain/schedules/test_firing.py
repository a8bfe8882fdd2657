"""The result of each planned time, by lateness, overlap and failures in a row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.domain.schedules.editing import ScheduleEdit, change_schedule
from fyke.domain.schedules.firing import Firing
from fyke.domain.schedules.rules import OWN_NAMES
from fyke.errors import Unavailable, VersionUnavailable
from fyke.model.run import Run, RunState
from fyke.model.schedule import FireState, LatePolicy, OverlapPolicy, ScheduleKind
from fyke.model.task import Task
from support import records
from support.schedules import ScheduledTask, Starts
from support.stores import Stores

pytestmark = pytest.mark.anyio

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
START = 1_767_225_600_000  # 2026-01-01 00:00 UTC
EVERY_MINUTE = ScheduleEdit(enabled=True, kind=ScheduleKind.CRON, cron="* * * * *")


@pytest.fixture
async def setup(stores: Stores) -> ScheduledTask:
    starts = Starts(stores.storage)
    firing = Firing(stores.storage, starts, stores.clock)
    task = records.task(stores.account, stores.worker)
    await stores.write(lambda tx: tx.tasks.add(task))
    made = ScheduledTask(stores.clock, stores.storage, starts, firing, task)
    made.at(START)
    return made


async def test_the_latest_missed_time_within_an_hour_starts_a_run(setup: ScheduledTask) -> None:
    await setup.schedule(ScheduleEdit(enabled=True, kind=ScheduleKind.CRON, cron="0 * * * *"))
    setup.at(START + 5 * HOUR + 20 * MINUTE)
    await setup.firing.process_pending()
    fires = await setup.fires()
    assert [(f.planned_at - START, f.state, f.count) for f in fires] == [
        (HOUR, FireState.MISSED, 4), (5 * HOUR, FireState.STARTED, 1),
    ]  # fmt: skip
    assert (await setup.now()).missed == 4 and len(await setup.runs()) == 1


async def test_times_missed_by_more_than_an_hour_are_only_counted(setup: ScheduledTask) -> None:
    await setup.schedule(ScheduleEdit(enabled=True, kind=ScheduleKind.DAILY, time="06:00"))
    setup.at(START + 3 * DAY)
    await setup.firing.process_pending()
    schedule = await setup.now()
    assert (schedule.missed, schedule.next_at) == (3, START + 3 * DAY + 6 * HOUR)
    assert await setup.runs() == []


async def test_a_schedule_that_fires_once_is_disabled_afterwards(setup: ScheduledTask) -> None:
    await setup.schedule(
        ScheduleEdit(enabled=True, kind=ScheduleKind.ONCE, date="2026-01-01", time="00:01")
    )
    setup.clock.advance(61)
    assert (await setup.firing.process_pending()).seconds is None
    schedule = await setup.now()
    assert (schedule.enabled, schedule.next_at, len(await setup.runs())) == (False, 0, 1)


async def test_a_refused_start_is_recorded_and_the_schedule_continues(setup: ScheduledTask) -> None:
    await setup.schedule(EVERY_MINUTE)
    setup.starts.error = VersionUnavailable("Worker version unavailable: v1 is gone")
    setup.clock.advance(60)
    await setup.firing.process_pending()
    [fire] = await setup.fires()
    assert (fire.state, fire.reason) == (
        FireState.REFUSED,
        "Worker version unavailable: v1 is gone",
    )
    assert (await setup.now()).last_error == fire.reason
    setup.starts.error = None
    setup.clock.advance(60)
    await setup.firing.process_pending()
    assert (await setup.now()).last_error == "" and len(await setup.runs()) == 1


async def test_while_the_storage_is_unavailable_the_time_is_retried(setup: ScheduledTask) -> None:
    await setup.schedule(EVERY_MINUTE)
    setup.starts.error = Unavailable("The disk is nearly full")
    setup.clock.advance(60)
    assert (await setup.firing.process_pending()).seconds == 10
    assert await setup.fires() == []
    setup.starts.error = None
    await setup.firing.process_pending()
    assert await setup.fires() == []  # it is not retried at once
    setup.clock.advance(10)
    await setup.firing.process_pending()
    [fire] = await setup.fires()
    assert (fire.planned_at, fire.state) == (START + MINUTE, FireState.STARTED)


async def test_a_failing_schedule_does_not_delay_others(setup: ScheduledTask) -> None:
    await setup.schedule(EVERY_MINUTE)

    def work(tx: Transaction) -> Task:
        task = records.task(setup.task.account_id, setup.task.worker_id)
        tx.tasks.add(task)
        change_schedule(tx, task, EVERY_MINUTE, OWN_NAMES)
        return task

    other = await setup.storage.write(work)
    original = setup.starts.start_task

    async def start(caller: Any, task_ref: str, *rest: Any, **more: Any) -> Run:
        if task_ref == setup.task.id:
            raise ZeroDivisionError
        return await original(caller, task_ref, *rest, **more)

    setup.starts.start_task = start  # type: ignore[method-assign]
    setup.clock.advance(60)
    await setup.firing.process_pending()
    assert [run.task_id for run in await setup.runs()] == [other.id]


async def test_skip_starts_nothing_while_a_run_is_active(setup: ScheduledTask) -> None:
    await setup.schedule(replace(EVERY_MINUTE, overlap=OverlapPolicy.SKIP))
    for _ in range(3):
        setup.clock.advance(60)
        await setup.firing.process_pending()
    [run] = await setup.runs()
    assert [f.state for f in await setup.fires()] == [FireState.STARTED] + [FireState.SKIPPED] * 2
    assert run.id in (await setup.fires())[1].reason
    await setup.end(run.id)
    setup.clock.advance(60)
    await setup.firing.process_pending()
    assert len(await setup.runs()) == 2


async def test_allow_starts_another_run_in_parallel(setup: ScheduledTask) -> None:
    await setup.schedule(EVERY_MINUTE)
    for _ in range(3):
        setup.clock.advance(60)
        await setup.firing.process_pending()
    assert len(await setup.runs()) == 3


async def test_a_single_time_may_wait_and_disabling_ends_the_wait(
    setup: ScheduledTask,
) -> None:
    await setup.schedule(EVERY_MINUTE)
    setup.clock.advance(60)
    await setup.firing.process_pending()
    [first] = await setup.runs()
    once = ScheduleEdit(
        True, ScheduleKind.ONCE, "00:02", date="2026-01-01", overlap=OverlapPolicy.QUEUE
    )
    await setup.schedule(once)
    setup.clock.advance(60)
    await setup.firing.process_pending()
    assert (await setup.fires())[-1].state is FireState.WAITING
    await setup.schedule(ScheduleEdit(enabled=False))
    assert (await setup.fires())[-1].state is FireState.SKIPPED
    await setup.end(first.id)
    await setup.firing.process_pending()
    assert len(await setup.runs()) == 1


async def test_a_success_resets_the_count(setup: ScheduledTask) -> None:
    setup.firing.pause_after = 2
    await setup.schedule(EVERY_MINUTE)
    for state in (RunState.FAILED, RunState.SUCCEEDED, RunState.FAILED, RunState.ABORTED) * 2:
        setup.clock.advance(60)
        await setup.firing.process_pending()
        await setup.end((await setup.runs())[-1].id, state)
    assert len(await setup.runs()) == 8
    assert (await setup.now()).enabled


async def test_refused_starts_count_as_failures(setup: ScheduledTask) -> None:
    setup.firing.pause_after = 2
    await setup.schedule(EVERY_MINUTE)
    setup.starts.error = VersionUnavailable("no money")
    for _ in range(3):
        setup.clock.advance(60)
        await setup.firing.process_pending()
    paused = await setup.now()
    assert (paused.enabled, paused.failures) == (False, 2)
    assert "the last one: no money" in paused.last_error
    assert [fire.state for fire in await setup.fires()] == [FireState.REFUSED] * 2


async def test_a_schedule_without_late_runs_skips_missed_times(
    setup: ScheduledTask,
) -> None:
    await setup.schedule(
        ScheduleEdit(True, ScheduleKind.INTERVAL, every_s=600, late=LatePolicy.SKIP)
    )
    setup.clock.advance(600 + 300)  # five minutes late
    await setup.firing.process_pending()
    assert await setup.runs() == []
    assert [(fire.state, fire.count) for fire in await setup.fires()] == [(FireState.MISSED, 1)]
    setup.clock.advance(300)  # on time again
    await setup.firing.process_pending()
    assert len(await setup.runs()) == 1


# --- the count of failures in a row ----------------------------------------------------------


async def minute(setup: ScheduledTask) -> None:
    setup.clock.advance(60)
    await setup.firing.process_pending()


async def test_failures_of_queued_runs_count_like_others(setup: ScheduledTask) -> None:
    setup.firing.pause_after = 3
    await setup.schedule(replace(EVERY_MINUTE, overlap=OverlapPolicy.QUEUE))
    await minute(setup)
    for _ in range(6):
        await minute(setup)  # while the run is active: the time waits for its end
        if not (await setup.now()).enabled:
            break
        await setup.end((await setup.runs())[-1].id, RunState.FAILED)
        await setup.firing.process_pending()
    paused = await setup.now()
    assert (paused.enabled, paused.failures) == (False, 3)
    assert "paused after 3 failures in a row" in paused.last_error


async def test_a_pause_skips_a_waiting_time(setup: ScheduledTask) -> None:
    setup.firing.pause_after = 1
    await setup.schedule(replace(EVERY_MINUTE, overlap=OverlapPolicy.QUEUE))
    await minute(setup)
    await minute(setup)
    [run] = await setup.runs()
    assert (await setup.fires())[-1].state is FireState.WAITING
    setup.clock.advance(60)
    await setup.end(run.id, RunState.FAILED)
    await setup.firing.process_pending()  # the next time is due before the wait has ended
    assert not (await setup.now()).enabled
    assert FireState.WAITING not in {fire.state for fire in await setup.fires()}
    await minute(setup)
    assert len(await setup.runs()) == 1


async def test_refused_starts_after_a_success_start_a_new_count(setup: ScheduledTask) -> None:
    setup.firing.pause_after = 3
    await setup.schedule(EVERY_MINUTE)
    for state in (RunState.FAILED, RunState.FAILED, RunState.SUCCEEDED):
        await minute(setup)
        await setup.end((await setup.runs())[-1].id, state)
    setup.starts.error = VersionUnavailable("withdrawn")
    await minute(setup)
    await minute(setup)
    found = await setup.now()
    assert (found.enabled, found.failures) == (True, 2)
    await minute(setup)
    assert not (await setup.now()).enabled


async def test_a_refused_start_and_a_failed_run_count_as_two_in_a_row(setup: ScheduledTask) -> None:
    setup.firing.pause_after = 2
    await setup.schedule(EVERY_MINUTE)
    await minute(setup)
    await setup.end((await setup.runs())[-1].id)
    setup.starts.error = VersionUnavailable("withdrawn")
    await minute(setup)
    setup.starts.error = None
    await minute(setup)
    await setup.end((await setup.runs())[-1].id, RunState.FAILED)
    await minute(setup)
    assert (await setup.now()).failures == 2 and not (await setup.now()).enabled


async def test_an_enabled_schedule_is_tried_again(setup: ScheduledTask) -> None:
    setup.firing.pause_after = 1
    await setup.schedule(EVERY_MINUTE)
    await minute(setup)
    await setup.end((await setup.runs())[-1].id, RunState.FAILED)
    await minute(setup)
    assert not (await setup.now()).enabled
    await setup.schedule(ScheduleEdit(enabled=True))
    await minute(setup)
    assert len(await setup.runs()) == 2
