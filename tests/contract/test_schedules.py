"""The contract of schedules in the state, and that each planned time fires once, on both
databases, whichever servers check the schedule as well.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from fyke.contracts.signals import run_topic
from fyke.contracts.state import Transaction
from fyke.domain.schedules.editing import ScheduleEdit, change_schedule
from fyke.domain.schedules.firing import KEEP_MS, Firing
from fyke.domain.schedules.rules import OWN_NAMES
from fyke.errors import TaskNotFound, Unavailable, VersionUnavailable
from fyke.kit.clock import ManualClock
from fyke.model.account import Caller
from fyke.model.run import Origin, Run, RunState
from fyke.model.schedule import (
    Fire,
    FireState,
    LatePolicy,
    OverlapPolicy,
    Schedule,
    ScheduleKind,
    ScheduleSpec,
)
from fyke.model.task import Task
from fyke.storage.sql.state.storage import SqlStorage, open_storage
from support import records

pytestmark = pytest.mark.anyio

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
START = 1_767_225_600_000  # 2026-01-01 00:00 UTC
EVERY_MINUTE = ScheduleEdit(enabled=True, kind=ScheduleKind.CRON, cron="* * * * *")


@dataclass
class Starts:
    """The runs service as firing sees it: it writes a run with what is to be done along."""

    storage: SqlStorage
    error: Exception | None = None
    before_commit: Callable[[], None] = lambda: None

    async def start_task(
        self,
        caller: Caller,
        task_ref: str,
        callback_url: str,
        origin: Origin,
        *,
        also: Callable[[Transaction, Run], None] | None = None,
    ) -> Run:
        if self.error is not None:
            raise self.error

        def work(tx: Transaction) -> Run:
            task = tx.tasks.get(task_ref)
            if task is None:
                raise TaskNotFound
            run = records.run(
                caller.account_id, task.worker_id, task_id=task.id, origin=origin, subtasks=0,
                created_at=tx.now,
            )  # fmt: skip
            tx.runs.add(run, [])
            tx.tasks.note_run(task.id, run.id)
            assert also is not None
            also(tx, run)
            return run

        return await self.storage.write(work)


@dataclass
class Server:
    """One server's timer: its own connections, the common clock."""

    storage: SqlStorage
    starts: Starts
    firing: Firing


@dataclass
class Setup:
    """A task in a state with a manual clock, and servers that run its schedule."""

    url: str
    clock: ManualClock
    servers: list[Server] = field(default_factory=list)
    task: Task = field(default_factory=lambda: records.task("", ""))

    @property
    def storage(self) -> SqlStorage:
        return self.servers[0].storage

    @property
    def firing(self) -> Firing:
        return self.servers[0].firing

    def add_server(self) -> None:
        storage = open_storage(
            self.url, durable=False, notify=str, hiding=frozenset(), clock=self.clock.now_ms
        )
        starts = Starts(storage)
        self.servers.append(Server(storage, starts, Firing(storage, starts, self.clock)))

    async def schedule(self, change: ScheduleEdit) -> Schedule:
        def work(tx: Transaction) -> Schedule:
            change_schedule(tx, self.task, change, OWN_NAMES)
            found = tx.schedules.get(self.task.id)
            assert found is not None
            return found

        return await self.storage.write(work)

    async def now(self) -> Schedule:
        found = await self.storage.read(lambda tx: tx.schedules.get(self.task.id))
        assert found is not None
        return found

    async def fires(self) -> list[Fire]:
        """Oldest planned time first."""
        everything = {"offset": 0, "limit": 100_000}
        _, found = await self.storage.read(
            lambda tx: tx.schedules.fires(self.task.id, **everything)
        )
        return found[::-1]

    async def runs(self) -> list[Run]:
        from fyke.model.run import RunFilter

        _, found = await self.storage.read(
            lambda tx: tx.runs.page(self.task.account_id, RunFilter(), offset=0, limit=100_000)
        )
        return found[::-1]

    async def end(self, run_id: str, state: RunState = RunState.SUCCEEDED) -> None:
        def work(tx: Transaction) -> None:
            run = tx.runs.get(run_id)
            assert run is not None
            ended = replace(run, state=state, finished_at=tx.now)
            assert tx.runs.move(ended, run.state)

        await self.storage.write(work)

    def at(self, moment: int) -> None:
        self.clock.advance((moment - self.clock.now_ms()) / 1000)


@pytest.fixture
async def setup(state_url: str) -> AsyncIterator[Setup]:
    made = Setup(state_url, ManualClock(START))
    made.add_server()

    def work(tx: Transaction) -> Task:
        task = records.task(*records.seed(tx))
        tx.tasks.add(task)
        return task

    made.task = await made.storage.write(work)
    yield made
    for server in made.servers:
        await server.storage.close()


async def test_a_stored_schedule_is_read_back(setup: Setup) -> None:
    plan = ScheduleSpec(ScheduleKind.MONTHLY, time="09:30", day=31, time_zone="Europe/Berlin")
    made = await setup.schedule(
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
    assert (made.plan, made.overlap, made.enabled) == (plan, OverlapPolicy.SKIP, True)
    assert await setup.storage.read(lambda tx: tx.schedules.of_tasks([setup.task.id, "x"])) == {
        setup.task.id: made
    }
    assert await setup.storage.read(lambda tx: tx.schedules.next_due()) == made.next_at
    assert await setup.storage.read(lambda tx: tx.schedules.due(made.next_at - 1, 9)) == []
    assert await setup.storage.read(lambda tx: tx.schedules.due(made.next_at, 9)) == [made]
    await setup.storage.write(lambda tx: tx.tasks.delete(setup.task.id))
    assert await setup.storage.read(lambda tx: tx.schedules.next_due()) is None


async def test_a_time_that_has_come_starts_a_run_and_moves_the_schedule_on(setup: Setup) -> None:
    await setup.schedule(EVERY_MINUTE)
    assert (await setup.firing.work_off()).seconds == 60
    assert await setup.runs() == []
    setup.clock.advance(60)
    assert (await setup.firing.work_off()).seconds == 60
    [run] = await setup.runs()
    assert (run.origin, run.task_id) == (Origin.SCHEDULE, setup.task.id)
    [fire] = await setup.fires()
    at = START + MINUTE
    assert fire == Fire(setup.task.id, at, FireState.STARTED, run.id, "", 1, at)
    schedule = await setup.now()
    assert (schedule.next_at, schedule.last_fired_at) == (START + 2 * MINUTE, START + MINUTE)
    task = await setup.storage.read(lambda tx: tx.tasks.get(setup.task.id))
    assert task is not None and (task.run_times, task.last_run_id) == (1, run.id)


async def test_the_latest_missed_time_within_an_hour_is_made_up_for(setup: Setup) -> None:
    await setup.schedule(ScheduleEdit(enabled=True, kind=ScheduleKind.CRON, cron="0 * * * *"))
    setup.at(START + 5 * HOUR + 20 * MINUTE)
    await setup.firing.work_off()
    fires = await setup.fires()
    assert [(f.planned_at - START, f.state, f.count) for f in fires] == [
        (HOUR, FireState.MISSED, 4), (5 * HOUR, FireState.STARTED, 1),
    ]  # fmt: skip
    assert (await setup.now()).missed == 4 and len(await setup.runs()) == 1


async def test_times_missed_by_more_than_an_hour_are_only_counted(setup: Setup) -> None:
    await setup.schedule(ScheduleEdit(enabled=True, kind=ScheduleKind.DAILY, time="06:00"))
    setup.at(START + 3 * DAY)
    await setup.firing.work_off()
    schedule = await setup.now()
    assert (schedule.missed, schedule.next_at) == (3, START + 3 * DAY + 6 * HOUR)
    assert await setup.runs() == []


async def test_a_schedule_that_fires_once_is_off_afterwards(setup: Setup) -> None:
    await setup.schedule(
        ScheduleEdit(enabled=True, kind=ScheduleKind.ONCE, date="2026-01-01", time="00:01")
    )
    setup.clock.advance(61)
    assert (await setup.firing.work_off()).seconds is None
    schedule = await setup.now()
    assert (schedule.enabled, schedule.next_at, len(await setup.runs())) == (False, 0, 1)


async def test_a_refused_start_is_recorded_and_the_schedule_goes_on(setup: Setup) -> None:
    await setup.schedule(EVERY_MINUTE)
    setup.servers[0].starts.error = VersionUnavailable("Worker version unavailable: v1 is gone")
    setup.clock.advance(60)
    await setup.firing.work_off()
    [fire] = await setup.fires()
    assert (fire.state, fire.reason) == (
        FireState.REFUSED,
        "Worker version unavailable: v1 is gone",
    )
    assert (await setup.now()).last_error == fire.reason
    setup.servers[0].starts.error = None
    setup.clock.advance(60)
    await setup.firing.work_off()
    assert (await setup.now()).last_error == "" and len(await setup.runs()) == 1


async def test_while_a_part_is_down_the_time_is_tried_again(setup: Setup) -> None:
    await setup.schedule(EVERY_MINUTE)
    setup.servers[0].starts.error = Unavailable("The disk is nearly full")
    setup.clock.advance(60)
    assert (await setup.firing.work_off()).seconds == 10
    assert await setup.fires() == []
    setup.servers[0].starts.error = None
    await setup.firing.work_off()
    assert await setup.fires() == []  # not at once again
    setup.clock.advance(10)
    await setup.firing.work_off()
    [fire] = await setup.fires()
    assert (fire.planned_at, fire.state) == (START + MINUTE, FireState.STARTED)


async def test_one_that_fails_does_not_delay_the_others(setup: Setup) -> None:
    await setup.schedule(EVERY_MINUTE)

    def work(tx: Transaction) -> Task:
        task = records.task(setup.task.account_id, setup.task.worker_id)
        tx.tasks.add(task)
        change_schedule(tx, task, EVERY_MINUTE, OWN_NAMES)
        return task

    other = await setup.storage.write(work)
    original = setup.servers[0].starts.start_task

    async def start(caller: Any, task_ref: str, *rest: Any, **more: Any) -> Run:
        if task_ref == setup.task.id:
            raise ZeroDivisionError
        return await original(caller, task_ref, *rest, **more)

    setup.servers[0].starts.start_task = start  # type: ignore[method-assign]
    setup.clock.advance(60)
    await setup.firing.work_off()
    assert [run.task_id for run in await setup.runs()] == [other.id]


async def test_skip_starts_nothing_while_a_run_is_not_over(setup: Setup) -> None:
    await setup.schedule(replace(EVERY_MINUTE, overlap=OverlapPolicy.SKIP))
    for _ in range(3):
        setup.clock.advance(60)
        await setup.firing.work_off()
    [run] = await setup.runs()
    assert [f.state for f in await setup.fires()] == [FireState.STARTED] + [FireState.SKIPPED] * 2
    assert run.id in (await setup.fires())[1].reason
    await setup.end(run.id)
    setup.clock.advance(60)
    await setup.firing.work_off()
    assert len(await setup.runs()) == 2


async def test_allow_starts_another_run_beside(setup: Setup) -> None:
    await setup.schedule(EVERY_MINUTE)
    for _ in range(3):
        setup.clock.advance(60)
        await setup.firing.work_off()
    assert len(await setup.runs()) == 3


async def test_the_policy_queue_delays_one_run_until_the_previous_one_has_ended(
    setup: Setup,
) -> None:
    await setup.schedule(replace(EVERY_MINUTE, overlap=OverlapPolicy.QUEUE))
    for _ in range(3):
        setup.clock.advance(60)
        rest = await setup.firing.work_off()
    [first] = await setup.runs()
    assert [f.state for f in await setup.fires()] == [
        FireState.STARTED, FireState.WAITING, FireState.SKIPPED,
    ]  # fmt: skip
    assert rest.topics == {run_topic(first.id)}
    await setup.end(first.id)
    await setup.firing.work_off()
    assert [f.state for f in await setup.fires()][1] is FireState.STARTED
    assert [f.run_id for f in await setup.fires()][1] == (await setup.runs())[1].id
    assert (await setup.now()).last_fired_at == START + 2 * MINUTE


async def test_a_single_time_may_wait_too_and_switching_off_ends_the_wait(setup: Setup) -> None:
    await setup.schedule(EVERY_MINUTE)
    setup.clock.advance(60)
    await setup.firing.work_off()
    [first] = await setup.runs()
    once = ScheduleEdit(
        True, ScheduleKind.ONCE, "00:02", date="2026-01-01", overlap=OverlapPolicy.QUEUE
    )
    await setup.schedule(once)
    setup.clock.advance(60)
    await setup.firing.work_off()
    assert (await setup.fires())[-1].state is FireState.WAITING
    await setup.schedule(ScheduleEdit(enabled=False))
    assert (await setup.fires())[-1].state is FireState.SKIPPED
    await setup.end(first.id)
    await setup.firing.work_off()
    assert len(await setup.runs()) == 1


async def test_a_held_run_that_is_refused_says_why(setup: Setup) -> None:
    await setup.schedule(replace(EVERY_MINUTE, overlap=OverlapPolicy.QUEUE))
    for _ in range(2):
        setup.clock.advance(60)
        await setup.firing.work_off()
    await setup.end((await setup.runs())[0].id)
    setup.servers[0].starts.error = VersionUnavailable("gone")
    await setup.firing.work_off()
    assert [(f.state, f.reason) for f in await setup.fires()][1] == (FireState.REFUSED, "gone")
    assert (await setup.now()).last_error == "gone"


async def test_records_are_forgotten_after_a_while(setup: Setup) -> None:
    await setup.schedule(EVERY_MINUTE)
    setup.clock.advance(60)
    await setup.firing.work_off()
    await setup.firing.forget_old()
    assert len(await setup.fires()) == 1
    setup.clock.advance(KEEP_MS / 1000 + 1)
    await setup.firing.forget_old()
    assert await setup.fires() == []


async def test_a_change_in_between_takes_the_fire_back(setup: Setup) -> None:
    """A server that has read the schedule before it was changed starts nothing of the old one."""
    await setup.schedule(EVERY_MINUTE)
    setup.clock.advance(60)
    original = setup.servers[0].starts.start_task

    async def start(*given: Any, **more: Any) -> Run:
        setup.servers[0].starts.start_task = original  # type: ignore[method-assign]
        await setup.schedule(ScheduleEdit(kind=ScheduleKind.DAILY, time="12:00"))
        return await original(*given, **more)

    setup.servers[0].starts.start_task = start  # type: ignore[method-assign]
    await setup.firing.work_off()
    assert (await setup.runs(), await setup.fires()) == ([], [])
    assert (await setup.now()).next_at == START + 12 * HOUR


async def races(setup: Setup, count: int) -> None:
    setup.add_server()
    await setup.schedule(EVERY_MINUTE)
    for _ in range(count):
        setup.clock.advance(60)
        await asyncio.gather(*(server.firing.work_off() for server in setup.servers))
    runs, fires = await setup.runs(), await setup.fires()
    assert [f.planned_at for f in fires] == [START + n * MINUTE for n in range(1, count + 1)]
    assert {f.state for f in fires} == {FireState.STARTED}
    assert sorted(f.run_id for f in fires) == sorted(run.id for run in runs)
    task = await setup.storage.read(lambda tx: tx.tasks.get(setup.task.id))
    assert task is not None and task.run_times == count


async def test_two_servers_fire_each_time_once(setup: Setup) -> None:
    await races(setup, 25)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_two_servers_fire_each_time_once_in_a_thousand_races(setup: Setup) -> None:
    await races(setup, 1000)


async def jumps(setup: Setup, count: int, seed: int) -> None:
    """However the clock jumps, no planned time has two runs, and none is passed over in silence."""
    rng = random.Random(seed)
    await setup.schedule(EVERY_MINUTE)
    for _ in range(count):
        setup.clock.advance(rng.choice([60, 60, 60, 3600, 86_400, -3600, -86_400, 7, -60]))
        if rng.random() < 0.3:  # planned anew by the clock of this moment
            await setup.schedule(ScheduleEdit(enabled=False))
            await setup.schedule(ScheduleEdit(enabled=True))
        await setup.firing.work_off()
    fires = await setup.fires()
    started = [f for f in fires if f.state is FireState.STARTED]
    assert len({f.planned_at for f in fires}) == len(fires)
    assert sorted(f.run_id for f in started) == sorted(run.id for run in await setup.runs())
    assert all(f.planned_at % MINUTE == 0 for f in fires) and started


async def test_a_clock_that_jumps_fires_nothing_twice(setup: Setup) -> None:
    await jumps(setup, 30, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
async def test_two_hundred_jumps_of_the_clock_fire_nothing_twice(setup: Setup, seed: int) -> None:
    await jumps(setup, 200, seed)


# --- failures in a row, and times that are late ----------------------------------------------


async def test_a_schedule_whose_runs_keep_failing_pauses_and_resumes(setup: Setup) -> None:
    setup.firing.pause_after = 3
    await setup.schedule(EVERY_MINUTE)
    for _ in range(3):
        setup.clock.advance(60)
        await setup.firing.work_off()
        await setup.end((await setup.runs())[-1].id, RunState.FAILED)
    assert (await setup.now()).failures == 2  # the third is counted when its time comes
    setup.clock.advance(60)
    await setup.firing.work_off()
    paused = await setup.now()
    assert (paused.enabled, paused.next_at, paused.failures) == (False, 0, 3)
    assert paused.paused_at == setup.clock.now_ms()
    assert "paused after 3 failures in a row" in paused.last_error
    assert len(await setup.runs()) == 3
    assert (await setup.fires())[-1].state is FireState.SKIPPED
    setup.clock.advance(600)
    await setup.firing.work_off()
    assert len(await setup.runs()) == 3
    again = await setup.schedule(ScheduleEdit(enabled=True))
    assert (again.enabled, again.failures, again.paused_at, again.last_error) == (True, 0, 0, "")


async def test_one_success_begins_the_count_anew(setup: Setup) -> None:
    setup.firing.pause_after = 2
    await setup.schedule(EVERY_MINUTE)
    for state in (RunState.FAILED, RunState.SUCCEEDED, RunState.FAILED, RunState.ABORTED) * 2:
        setup.clock.advance(60)
        await setup.firing.work_off()
        await setup.end((await setup.runs())[-1].id, state)
    assert len(await setup.runs()) == 8
    assert (await setup.now()).enabled


async def test_refused_starts_count_as_failures(setup: Setup) -> None:
    setup.firing.pause_after = 2
    await setup.schedule(EVERY_MINUTE)
    setup.servers[0].starts.error = VersionUnavailable("no money")
    for _ in range(3):
        setup.clock.advance(60)
        await setup.firing.work_off()
    paused = await setup.now()
    assert (paused.enabled, paused.failures) == (False, 2)
    assert "the last one: no money" in paused.last_error
    assert [fire.state for fire in await setup.fires()] == [FireState.REFUSED] * 2


async def test_a_schedule_that_wants_no_late_runs_skips_what_was_missed(setup: Setup) -> None:
    await setup.schedule(
        ScheduleEdit(True, ScheduleKind.INTERVAL, every_s=600, late=LatePolicy.SKIP)
    )
    setup.clock.advance(600 + 300)  # five minutes late
    await setup.firing.work_off()
    assert await setup.runs() == []
    assert [(fire.state, fire.count) for fire in await setup.fires()] == [(FireState.MISSED, 1)]
    setup.clock.advance(300)  # on time again
    await setup.firing.work_off()
    assert len(await setup.runs()) == 1


async def test_the_schedules_of_an_account_the_next_first(setup: Setup) -> None:
    await setup.schedule(EVERY_MINUTE)

    def more(tx: Transaction) -> list[str]:
        found = [setup.task.id]
        for change in (
            ScheduleEdit(True, ScheduleKind.DAILY, time="09:00"),
            ScheduleEdit(False, ScheduleKind.CRON, cron=""),
        ):
            task = records.task(setup.task.account_id, setup.task.worker_id)
            tx.tasks.add(task)
            change_schedule(tx, task, change, OWN_NAMES)
            found.append(task.id)
        return found

    made = await setup.storage.write(more)

    def look(tx: Transaction) -> tuple[int, list[Schedule]]:
        return tx.schedules.of_account(setup.task.account_id, offset=0, limit=9)

    count, found = await setup.storage.read(look)
    assert (count, [schedule.task_id for schedule in found]) == (3, made)
    assert await setup.storage.read(
        lambda tx: tx.schedules.of_account("somebody", offset=0, limit=9)
    ) == (0, [])
    assert await setup.storage.read(lambda tx: tx.schedules.last_started(setup.task.id)) is None
    setup.clock.advance(60)
    await setup.firing.work_off()
    last = await setup.storage.read(lambda tx: tx.schedules.last_started(setup.task.id))
    assert last is not None and last.run_id == (await setup.runs())[0].id
