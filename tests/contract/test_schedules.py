"""The contract of schedules in the state, on both databases: each planned time fires once, however
many servers check the schedule.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from fyke.contracts.signals import run_topic
from fyke.contracts.state import Transaction
from fyke.domain.alerts.refusals import RefusedStarts
from fyke.domain.schedules.editing import ScheduleEdit, change_schedule
from fyke.domain.schedules.firing import KEEP_MS, Firing
from fyke.domain.schedules.rules import OWN_NAMES
from fyke.errors import VersionUnavailable
from fyke.kit.clock import ManualClock
from fyke.model.alert import Alert, AlertFilter
from fyke.model.callback import Delivery, DeliveryFilter, HostStatus
from fyke.model.run import Origin, Run, RunState
from fyke.model.schedule import (
    Fire,
    FireState,
    OverlapPolicy,
    Schedule,
    ScheduleKind,
    ScheduleSpec,
)
from fyke.model.task import Task
from fyke.model.webhook import WebhookEvent
from fyke.storage.sql.state.storage import SqlStorage
from support import records
from support.alerts import a_rule, an_endpoint
from support.schedules import ScheduledTask, Starts
from support.stores import open_state

pytestmark = pytest.mark.anyio

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
START = 1_767_225_600_000  # 2026-01-01 00:00 UTC
EVERY_MINUTE = ScheduleEdit(enabled=True, kind=ScheduleKind.CRON, cron="* * * * *")


@dataclass
class Setup(ScheduledTask):
    """A task, and servers that run its schedule, each with its own connections."""

    url: str = ""
    stores: AsyncExitStack = field(default_factory=AsyncExitStack)
    servers: list[Firing] = field(default_factory=list)

    async def add_server(self) -> None:
        _, _, firing = await server(self.stores, self.url, self.clock)
        self.servers.append(firing)


async def server(
    stores: AsyncExitStack, url: str, clock: ManualClock
) -> tuple[SqlStorage, Starts, Firing]:
    storage = await stores.enter_async_context(open_state(url, clock=clock.now_ms))
    starts = Starts(storage)
    report = RefusedStarts().report
    return storage, starts, Firing(storage, starts, clock, report_refusal=report)


@pytest.fixture
async def setup(state_url: str) -> AsyncIterator[Setup]:
    clock = ManualClock(START)

    def work(tx: Transaction) -> Task:
        task = records.task(*records.seed(tx))
        tx.tasks.add(task)
        return task

    async with AsyncExitStack() as stores:
        storage, starts, firing = await server(stores, state_url, clock)
        setup = Setup(
            clock, storage, starts, firing, url=state_url, stores=stores, servers=[firing]
        )
        setup.task = await setup.storage.write(work)
        yield setup


async def test_a_stored_schedule_is_read_back(setup: Setup) -> None:
    plan = ScheduleSpec(ScheduleKind.MONTHLY, time="09:30", day=31, time_zone="Europe/Berlin")
    stored = await setup.schedule(
        ScheduleEdit(
            True,
            ScheduleKind.MONTHLY,
            "09:30",
            5,
            31,
            time_zone="Europe/Berlin",
            overlap=OverlapPolicy.SKIP,
        )
    )
    assert (stored.spec, stored.overlap, stored.enabled) == (plan, OverlapPolicy.SKIP, True)
    assert await setup.storage.read(lambda tx: tx.schedules.of_tasks([setup.task.id, "x"])) == {
        setup.task.id: stored
    }
    assert await setup.storage.read(lambda tx: tx.schedules.next_due()) == stored.next_at
    assert await setup.storage.read(lambda tx: tx.schedules.due(stored.next_at - 1, 9)) == []
    assert await setup.storage.read(lambda tx: tx.schedules.due(stored.next_at, 9)) == [stored]
    await setup.storage.write(lambda tx: tx.tasks.delete(setup.task.id))
    assert await setup.storage.read(lambda tx: tx.schedules.next_due()) is None


async def test_a_due_schedule_starts_a_run_and_gets_its_next_time(setup: Setup) -> None:
    await setup.schedule(EVERY_MINUTE)
    assert (await setup.firing.process_pending()).seconds == 60
    assert await setup.runs() == []
    setup.clock.advance(60)
    assert (await setup.firing.process_pending()).seconds == 60
    [run] = await setup.runs()
    assert (run.origin, run.task_id) == (Origin.SCHEDULE, setup.task.id)
    [fire] = await setup.fires()
    at = START + MINUTE
    assert fire == Fire(setup.task.id, at, FireState.STARTED, run.id, "", 1, at)
    schedule = await setup.now()
    assert (schedule.next_at, schedule.last_fired_at) == (START + 2 * MINUTE, START + MINUTE)
    task = await setup.storage.read(lambda tx: tx.tasks.get(setup.task.id))
    assert task is not None and (task.run_times, task.last_run_id) == (1, run.id)


async def test_the_policy_queue_delays_one_run_until_the_previous_one_has_ended(
    setup: Setup,
) -> None:
    await setup.schedule(replace(EVERY_MINUTE, overlap=OverlapPolicy.QUEUE))
    for _ in range(3):
        setup.clock.advance(60)
        rest = await setup.firing.process_pending()
    [first] = await setup.runs()
    assert [f.state for f in await setup.fires()] == [
        FireState.STARTED, FireState.WAITING, FireState.SKIPPED,
    ]  # fmt: skip
    assert rest.topics == {run_topic(first.id)}
    await setup.end(first.id)
    await setup.firing.process_pending()
    assert [f.state for f in await setup.fires()][1] is FireState.STARTED
    assert [f.run_id for f in await setup.fires()][1] == (await setup.runs())[1].id
    assert (await setup.now()).last_fired_at == START + 2 * MINUTE


async def test_a_refused_held_run_has_a_reason(setup: Setup) -> None:
    await setup.schedule(replace(EVERY_MINUTE, overlap=OverlapPolicy.QUEUE))
    for _ in range(2):
        setup.clock.advance(60)
        await setup.firing.process_pending()
    await setup.end((await setup.runs())[0].id)
    setup.starts.error = VersionUnavailable("gone")
    await setup.firing.process_pending()
    assert [(f.state, f.reason) for f in await setup.fires()][1] == (FireState.REFUSED, "gone")
    assert (await setup.now()).last_error == "gone"


async def test_old_records_are_removed(setup: Setup) -> None:
    await setup.schedule(EVERY_MINUTE)
    setup.clock.advance(60)
    await setup.firing.process_pending()
    await setup.firing.remove_old()
    assert len(await setup.fires()) == 1
    setup.clock.advance(KEEP_MS / 1000 + 1)
    await setup.firing.remove_old()
    assert await setup.fires() == []


async def test_a_concurrent_change_cancels_the_fire(setup: Setup) -> None:
    """A server that read a schedule before its change starts no run of the old one."""
    await setup.schedule(EVERY_MINUTE)
    setup.clock.advance(60)
    original = setup.starts.start_task

    async def start(*arguments: Any, **options: Any) -> Run:
        setup.starts.start_task = original  # type: ignore[method-assign]
        await setup.schedule(ScheduleEdit(kind=ScheduleKind.DAILY, time="12:00"))
        return await original(*arguments, **options)

    setup.starts.start_task = start  # type: ignore[method-assign]
    await setup.firing.process_pending()
    assert (await setup.runs(), await setup.fires()) == ([], [])
    assert (await setup.now()).next_at == START + 12 * HOUR


async def races(setup: Setup, count: int) -> None:
    await setup.add_server()
    await setup.schedule(EVERY_MINUTE)
    for _ in range(count):
        setup.clock.advance(60)
        await asyncio.gather(*(firing.process_pending() for firing in setup.servers))
    runs, fires = await setup.runs(), await setup.fires()
    assert [f.planned_at for f in fires] == [START + n * MINUTE for n in range(1, count + 1)]
    assert {f.state for f in fires} == {FireState.STARTED}
    assert sorted(f.run_id for f in fires) == sorted(run.id for run in runs)
    task = await setup.storage.read(lambda tx: tx.tasks.get(setup.task.id))
    assert task is not None and task.run_times == count


@pytest.mark.slow
async def test_two_servers_fire_each_time_once(setup: Setup) -> None:
    await races(setup, 25)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_two_servers_fire_each_time_once_in_a_thousand_races(setup: Setup) -> None:
    await races(setup, 1000)


@pytest.mark.slow
async def test_two_servers_raise_one_alert_for_a_series_of_refusals(setup: Setup) -> None:
    """Its message, which belongs to no run, is stored too."""
    account = setup.task.account_id
    hook = an_endpoint(account, events=(WebhookEvent.ALERT_RAISED,))

    def add(tx: Transaction) -> None:
        tx.webhooks.add(hook)
        tx.alerts.add_rule(a_rule(account))

    await setup.storage.write(add)
    await setup.add_server()
    await setup.schedule(EVERY_MINUTE)
    for firing in setup.servers:
        assert isinstance(firing.runs, Starts)
        firing.runs.error = VersionUnavailable("v1 is gone")
    for _ in range(5):
        setup.clock.advance(60)
        await asyncio.gather(*(firing.process_pending() for firing in setup.servers))
    assert [fire.state for fire in await setup.fires()] == [FireState.REFUSED] * 5

    def found(tx: Transaction) -> tuple[list[Alert], list[Delivery]]:
        _, alerts = tx.alerts.alerts(account, AlertFilter(), offset=0, limit=9)
        return alerts, tx.outbox.page(account, DeliveryFilter(), offset=0, limit=9)[1]

    [alert], [message] = await setup.storage.read(found)
    assert (alert.at, alert.run_id, message.run_id) == (START + MINUTE, "", "")
    free = dict.fromkeys(HostStatus, 1)
    [claim] = await setup.storage.write(lambda tx: tx.outbox.claim(tx.now, free, tx.now + 1))
    assert claim.delivery.id == message.id


async def jumps(setup: Setup, count: int, seed: int) -> None:
    """After any jump of the clock, each planned time has one run or a record of its omission."""
    rng = random.Random(seed)
    await setup.schedule(EVERY_MINUTE)
    for _ in range(count):
        setup.clock.advance(rng.choice([60, 60, 60, 3600, 86_400, -3600, -86_400, 7, -60]))
        if rng.random() < 0.3:  # a change plans the next time by the current clock
            await setup.schedule(ScheduleEdit(enabled=False))
            await setup.schedule(ScheduleEdit(enabled=True))
        await setup.firing.process_pending()
    fires = await setup.fires()
    started = [f for f in fires if f.state is FireState.STARTED]
    assert len({f.planned_at for f in fires}) == len(fires)
    assert sorted(f.run_id for f in started) == sorted(run.id for run in await setup.runs())
    assert all(f.planned_at % MINUTE == 0 for f in fires) and started


@pytest.mark.slow
async def test_a_clock_that_jumps_fires_nothing_twice(setup: Setup) -> None:
    await jumps(setup, 30, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
async def test_two_hundred_jumps_of_the_clock_fire_nothing_twice(setup: Setup, seed: int) -> None:
    await jumps(setup, 200, seed)


# --- failures in a row, late times -----------------------------------------------------------


async def test_a_schedule_whose_runs_keep_failing_pauses_and_resumes(setup: Setup) -> None:
    setup.firing.pause_after = 3
    await setup.schedule(EVERY_MINUTE)
    for _ in range(3):
        setup.clock.advance(60)
        await setup.firing.process_pending()
        await setup.end((await setup.runs())[-1].id, RunState.FAILED)
    assert (await setup.now()).failures == 2  # the third is counted when its time comes
    setup.clock.advance(60)
    await setup.firing.process_pending()
    paused = await setup.now()
    assert (paused.enabled, paused.next_at, paused.failures) == (False, 0, 3)
    assert paused.paused_at == setup.clock.now_ms()
    assert "paused after 3 failures in a row" in paused.last_error
    assert len(await setup.runs()) == 3
    assert (await setup.fires())[-1].state is FireState.SKIPPED
    setup.clock.advance(600)
    await setup.firing.process_pending()
    assert len(await setup.runs()) == 3
    resumed = await setup.schedule(ScheduleEdit(enabled=True))
    assert (resumed.enabled, resumed.failures, resumed.paused_at, resumed.last_error) == (
        True,
        0,
        0,
        "",
    )


async def test_schedules_are_listed_by_next_time(setup: Setup) -> None:
    await setup.schedule(EVERY_MINUTE)

    def add_schedules(tx: Transaction) -> list[str]:
        task_ids = [setup.task.id]
        for change in (
            ScheduleEdit(True, ScheduleKind.DAILY, time="09:00"),
            ScheduleEdit(False, ScheduleKind.CRON, cron=""),
        ):
            task = records.task(setup.task.account_id, setup.task.worker_id)
            tx.tasks.add(task)
            change_schedule(tx, task, change, OWN_NAMES)
            task_ids.append(task.id)
        return task_ids

    all_task_ids = await setup.storage.write(add_schedules)

    def list_schedules(tx: Transaction) -> tuple[int, list[Schedule]]:
        return tx.schedules.of_account(setup.task.account_id, offset=0, limit=9)

    count, schedules = await setup.storage.read(list_schedules)
    assert (count, [schedule.task_id for schedule in schedules]) == (3, all_task_ids)
    assert await setup.storage.read(
        lambda tx: tx.schedules.of_account("unknown", offset=0, limit=9)
    ) == (0, [])
    assert await setup.storage.read(lambda tx: tx.schedules.last_started(setup.task.id)) is None
    setup.clock.advance(60)
    await setup.firing.process_pending()
    last = await setup.storage.read(lambda tx: tx.schedules.last_started(setup.task.id))
    assert last is not None and last.run_id == (await setup.runs())[0].id
