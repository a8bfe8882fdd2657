"""The contract of leases under plans: no account has more active runs than its plan allows, the
oldest runs start first, and no other account waits for them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.signals import WORK, run_topic
from fyke.contracts.state import Transaction
from fyke.domain.runs.admission import check_plan
from fyke.domain.runs.lifecycle import AbortRequested, AttemptStarted, Event, SubtaskEnded
from fyke.domain.runs.transitions import Rules, apply
from fyke.errors import PlanLimitReached
from fyke.model.account import Plan
from fyke.model.attempt import AttemptEnd
from fyke.model.billing import Prices
from fyke.model.queue import QueuedStart
from fyke.model.run import SUCCESS, Outcome, Run, RunState
from fyke.model.runner import AttemptUsage, Capacity, Lease, RunnerLoad
from fyke.model.settings_version import ServerBeat
from fyke.reasons import Reason, ReasonCode
from fyke.storage.sql.state.storage import open_storage
from support import records

pytestmark = pytest.mark.anyio
State = Any
ROOM = Capacity(cpus=1000, memory_mb=10**7, slots=64)
GONE = Reason(ReasonCode.RELEASED)


def seeded(plan: Plan, parts: list[int]) -> Any:
    """Add an account on ``plan`` with a ready run for each number of subtasks."""

    def work(tx: Transaction) -> tuple[str, list[Run]]:
        owner, worker_id = records.seed(tx)
        tx.accounts.set_plan(owner, plan)
        return owner, [records.seed_run(tx, owner, worker_id, n) for n in parts]

    return work


def lease(tx: Transaction) -> list[Lease]:
    return tx.runs.lease("runner", ROOM, tx.now + 60_000)


def run_counts(leases: list[Lease]) -> Counter[str]:
    return Counter(item.run.id for item in leases)


def end_all(run: Run, attempts: list[Lease]) -> Any:
    def work(tx: Transaction) -> None:
        for item in attempts:
            tx.runs.end_attempt(item.attempt.key, AttemptEnd(SUCCESS, AttemptUsage()), 0, 1)
            tx.runs.end_subtask(run.id, item.attempt.ordinal, SUCCESS)
        ended = replace(run, state=RunState.SUCCEEDED, outcome=Outcome.SUCCEEDED, finished_at=5)
        tx.runs.move(ended, RunState.READY)

    return work


async def test_a_plan_starts_the_oldest_runs_and_delays_the_others(state: State) -> None:
    owner, runs = await state.write(seeded(Plan.FREE, [3, 2, 1, 1]))
    first = await state.write(lease)
    assert run_counts(first) == {runs[0].id: 3, runs[1].id: 2}
    assert await state.write(lease) == []
    under_way = await state.read(lambda tx: tx.admission.under_way(owner))
    assert under_way == {runs[0].id, runs[1].id}

    await state.write(end_all(runs[0], [x for x in first if x.run.id == runs[0].id]))
    assert run_counts(await state.write(lease)) == {runs[2].id: 1}
    assert await state.write(lease) == []


async def test_runs_that_wait_for_a_plan_do_not_delay_other_accounts(state: State) -> None:
    _, limited = await state.write(seeded(Plan.FREE, [1, 1] + [50] * 20))
    _, small = await state.write(seeded(Plan.STARTER, [1] * 8))
    _, free = await state.write(seeded(Plan.UNLIMITED, [1] * 70))
    received = run_counts(await state.write(lease))
    expected = [*limited[:2], *small[:5], *free[: 64 - 7]]
    assert received == Counter(run.id for run in expected)


async def test_the_first_run_that_does_not_fit_ends_the_search(state: State) -> None:
    """Only runs that wait for a plan are skipped, not those that are too large at the moment."""

    def work(tx: Transaction) -> None:
        owner, worker_id = records.seed(tx)
        tx.accounts.set_plan(owner, Plan.FREE)
        for cpus in (1, 1, 1):
            records.seed_run(tx, owner, worker_id, cpus=cpus)
        other, its = records.seed(tx)
        records.seed_run(tx, other, its, cpus=8)
        records.seed_run(tx, other, its, cpus=1)

    await state.write(work)
    room = Capacity(cpus=4, memory_mb=10**6, slots=8)
    received = await state.write(lambda tx: tx.runs.lease("runner", room, 99))
    assert [item.run.limits.cpus for item in received] == [1, 1]


async def test_a_started_run_continues_under_a_smaller_plan(state: State) -> None:
    owner, runs = await state.write(seeded(Plan.STARTER, [4, 4, 4, 1]))
    nine_slots = Capacity(cpus=1000, memory_mb=10**7, slots=9)
    started = await state.write(lambda tx: tx.runs.lease("runner", nine_slots, 99))
    assert run_counts(started) == {runs[0].id: 4, runs[1].id: 4, runs[2].id: 1}

    def work(tx: Transaction) -> None:
        tx.accounts.set_plan(owner, Plan.FREE)
        tx.runs.move(replace(runs[2], state=RunState.RUNNING), RunState.READY)

    await state.write(work)
    assert run_counts(await state.write(lease)) == {runs[2].id: 3}


async def test_an_ending_run_counts_for_its_plan(state: State) -> None:
    owner, runs = await state.write(seeded(Plan.FREE, [1, 1, 1]))
    await state.write(lambda tx: tx.runs.lease("runner", Capacity(9, 10**6, 2), 99))
    for run, stage in zip(runs, (RunState.ABORTING, RunState.ENDING), strict=False):
        moved = replace(run, state=stage)
        await state.write(lambda tx, moved=moved: tx.runs.move(moved, RunState.READY))
    assert await state.write(lease) == []
    assert await state.read(lambda tx: tx.admission.count_open(owner, 50)) == 3
    assert await state.read(lambda tx: tx.admission.count_open(owner, 2)) == 2


@pytest.mark.parametrize("plan", [Plan.FREE, Plan.UNLIMITED])
async def test_the_end_of_a_run_wakes_the_runners_where_a_plan_may_delay_others(
    state: State, plan: Plan
) -> None:
    _, [first, second, _] = await state.write(seeded(plan, [1, 1, 1]))
    rules = Rules(Prices(), frozenset(), max_subtasks=10, default_region="")
    woken = plan.max_runs is not None

    def move(event: Event, run: Run) -> Any:
        return lambda tx: apply(tx, rules, run, event, "test")

    running = await state.write(move(AttemptStarted(), first))
    assert WORK not in state.notified  # the plan has no room for another run
    await state.write(move(SubtaskEnded(0, 1, SUCCESS), running))
    assert (state.notified.count(run_topic(first.id)), WORK in state.notified) == (2, woken)
    state.notified.clear()
    await state.write(move(AbortRequested(0), second))
    assert (WORK in state.notified) is woken
    state.notified.clear()
    assert await state.write(move(AbortRequested(0), second)) is None  # it has started
    assert state.notified == []


async def test_concurrent_leases_respect_the_plan(state: State) -> None:
    plans = {Plan.FREE: 2, Plan.STARTER: 5, Plan.PRO: 10}
    owners = {
        (await state.write(seeded(plan, [2] * 15)))[0]: max_runs
        for plan, max_runs in plans.items()
        for _ in range(2)
    }
    other = open_storage(state.url, durable=False, notify=str, hiding=frozenset())

    async def take(n: int) -> list[Lease]:
        storage = (state.storage, other)[n % 2]
        room = Capacity(cpus=1000, memory_mb=10**7, slots=3 + n % 4)
        return list(
            await storage.write(lambda tx: tx.runs.lease(f"runner{n}", room, tx.now + 60_000))
        )

    new_leases: list[Lease] = []
    try:
        for _ in range(6):
            for leases in await asyncio.gather(*(take(n) for n in range(8))):
                new_leases += leases
    finally:
        await other.close()
    started = {(item.run.account_id, item.run.id) for item in new_leases}
    assert Counter(account for account, _ in started) == owners
    keys = [(item.run.id, item.subtask.ordinal) for item in new_leases]
    assert len(keys) == len(set(keys)) == 2 * sum(owners.values())


async def test_only_older_waiting_subtasks_are_ahead_of_a_run(state: State) -> None:
    owner, runs = await state.write(seeded(Plan.UNLIMITED, [3, 2, 1]))
    assert await state.read(lambda tx: tx.admission.count_ahead(runs[2].id, 100)) == 5
    assert await state.read(lambda tx: tx.admission.count_ahead(runs[2].id, 4)) == 4
    await state.write(lambda tx: tx.runs.lease("runner", Capacity(2, 10**6, 2), 99))
    assert await state.read(lambda tx: tx.admission.count_ahead(runs[2].id, 100)) == 3
    [load] = await state.read(lambda tx: tx.admission.loads())
    assert (load.runner_id, load.cpus, load.memory_mb) == ("runner", 2.0, 1024)
    newest_first = [run.id for run in reversed(runs)]
    assert await state.read(lambda tx: tx.admission.ready(owner, 10)) == newest_first


async def test_browsers_are_part_of_the_load_and_can_be_left_out_of_the_queue(state: State) -> None:
    def work(tx: Transaction) -> str:
        owner, worker_id = records.seed(tx)
        records.seed_run(tx, owner, worker_id, 3, browser_cpus=0.5, browser_memory_mb=100)
        records.seed_run(tx, owner, worker_id, 1)
        last: str = records.seed_run(tx, owner, worker_id, 1).id
        tx.runs.lease("r1", Capacity(2, 10**6, 2, browsers=2), 99)
        return last

    last = await state.write(work)
    ahead = await state.read(
        lambda tx: [tx.admission.count_ahead(last, 9, placeless=p) for p in (False, True)]
    )
    assert ahead == [2, 1]
    together = await state.read(
        lambda tx: [
            tx.admission.counts_ahead([last, "0"], 9, pool="default", placeless=placeless)
            for placeless in (False, True)
        ]
    )
    assert together == [{last: 2, "0": 0}, {last: 1, "0": 0}]
    assert await state.read(lambda tx: tx.admission.counts_ahead([], 9, pool="default")) == {}
    assert await state.read(lambda tx: tx.admission.loads()) == [
        RunnerLoad("r1", 2.0, 1024, 2, 1.0, 200, attempts=2)
    ]
    await state.write(lambda tx: tx.runs.lease("r2", Capacity(1, 10**6, 1, browsers=0), 99))
    assert await state.read(lambda tx: tx.admission.loads()) == [
        RunnerLoad("r1", 2.0, 1024, 2, 1.0, 200, attempts=2), RunnerLoad("r2", 1.0, 512, attempts=1)
    ]  # fmt: skip
    assert await state.read(lambda tx: tx.admission.loads(["r2", "unknown"])) == [
        RunnerLoad("r2", 1.0, 512, attempts=1)
    ]


async def test_the_load_of_an_account_is_told_apart_by_worker(state: State) -> None:
    def work(tx: Transaction) -> tuple[str, str]:
        owner, worker_id = records.seed(tx)
        records.seed_run(tx, owner, worker_id, 3)
        stranger, other = records.seed(tx)
        records.seed_run(tx, stranger, other, 1)
        tx.runs.lease("r1", Capacity(4, 10**6, 4), 99)
        return owner, worker_id

    owner, worker_id = await state.write(work)
    loads = await state.read(lambda tx: tx.admission.loads_by_worker(owner))
    assert loads == {worker_id: [RunnerLoad("r1", 3.0, 1536, attempts=3)]}
    assert await state.read(lambda tx: tx.admission.loads_by_worker("unknown")) == {}


async def test_direct_starts_of_two_servers_respect_the_plan(
    state: State,
) -> None:
    def seed(tx: Transaction) -> tuple[str, str]:
        owner, worker_id = records.seed(tx)
        tx.accounts.set_plan(owner, Plan.STARTER)
        return owner, worker_id

    owner, worker_id = await state.write(seed)
    other = open_storage(state.url, durable=False, notify=str, hiding=frozenset())

    def start(tx: Transaction) -> None:
        check_plan(tx, owner)
        records.seed_run(tx, owner, worker_id)

    try:
        outcomes = await asyncio.gather(
            *((state.storage, other)[n % 2].write(start) for n in range(40)),
            return_exceptions=True,
        )
    finally:
        await other.close()
    refused = [outcome for outcome in outcomes if outcome is not None]
    assert len(outcomes) - len(refused) == 5
    assert {type(outcome) for outcome in refused} == {PlanLimitReached}
    assert await state.read(lambda tx: tx.admission.count_open(owner, 99)) == 5


async def test_concurrent_ends_of_a_queue_item_end_it_once(state: State) -> None:
    owner, worker_id = await state.write(records.seed)
    item = QueuedStart(
        records.ordered_id(), owner, worker_id, "1.0.0", "{}", "", True, "", "", 5, 0
    )
    number = await state.write(lambda tx: tx.queue.add(item))
    other = open_storage(state.url, durable=False, notify=str, hiding=frozenset())
    try:
        results = await asyncio.gather(
            *(
                (state.storage, other)[n % 2].write(lambda tx: tx.queue.end(item.id, 9, GONE))
                for n in range(16)
            )
        )
    finally:
        await other.close()
    assert results.count(True) == 1
    assert not await state.write(lambda tx: tx.queue.explain(item.id, GONE))
    count, items = await state.read(lambda tx: tx.queue.page(owner, False, offset=0, limit=9))
    assert (count, items) == (
        1,
        [
            replace(
                item, number=number, waiting=False, ended_at=9, reason_text="released", reason=GONE
            )
        ],
    )
    assert await state.read(lambda tx: tx.queue.page(owner, True, offset=0, limit=9)) == (0, [])
    waiting = replace(item, id=records.ordered_id())
    await state.write(lambda tx: tx.queue.add(waiting))
    assert await state.write(lambda tx: tx.queue.remove_ended(9, 5)) == 0
    assert await state.write(lambda tx: tx.queue.remove_ended(10, 5)) == 1
    assert await state.read(lambda tx: tx.queue.get(item.id)) is None
    assert await state.read(lambda tx: tx.queue.by_number(number)) is None


async def test_numbers_of_the_queue_are_never_reused(state: State) -> None:
    owner, worker_id = await state.write(records.seed)
    first = QueuedStart(
        records.ordered_id(), owner, worker_id, "1.0.0", "{}", "", True, "", "", 5, 0
    )
    numbers = []
    other = open_storage(state.url, durable=False, notify=str, hiding=frozenset())
    try:
        for storage in (state.storage, other, state.storage):
            item = replace(first, id=records.ordered_id())
            numbers.append(await storage.write(lambda tx, item=item: tx.queue.add(item)))
            stored = await state.read(lambda tx: tx.queue.by_number(numbers[-1]))
            assert stored == replace(item, number=numbers[-1])
            assert await state.read(lambda tx, item=item: tx.queue.get(item.id)) == stored
            # the last item is removed, and its number with it
            await storage.write(lambda tx, item=item: tx.queue.end(item.id, 9, GONE))
            assert await storage.write(lambda tx: tx.queue.remove_ended(10, 5)) == 1
    finally:
        await other.close()
    assert 0 < numbers[0] < numbers[1] < numbers[2]
    assert await state.read(lambda tx: tx.queue.by_number(2**63 - 1)) is None


async def test_servers_are_counted_by_their_last_heartbeat(state: State) -> None:
    for server, at in (("a", 100), ("b", 200), ("a", 300)):
        beat = ServerBeat(server, at)
        await state.write(lambda tx, beat=beat: tx.servers.heartbeat(beat))
    assert await state.read(lambda tx: tx.servers.count_active(200)) == 2
    assert await state.read(lambda tx: tx.servers.count_active(201)) == 1
    await state.write(lambda tx: tx.servers.drop_silent(201))
    assert await state.read(lambda tx: tx.servers.count_active(0)) == 1
    await state.write(lambda tx: tx.servers.drop("a"))
    assert await state.read(lambda tx: tx.servers.count_active(0)) == 0
