"""The contract of the state under concurrent access."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.domain.callbacks.slots import free_slots
from fyke.domain.runs.sampling import MAX_POINTS, add_samples
from fyke.domain.runs.transitions import Rules, abort_run
from fyke.errors import Unavailable
from fyke.model.billing import EntryKind, Prices
from fyke.model.run import SUCCESS, Run, RunState, SubtaskState, UsageSample
from fyke.model.runner import Capacity, RunnerInfo
from fyke.reasons import Detail, DetailCode, ReasonCode, reason_with_detail
from fyke.storage.sql.dialects import is_sqlite
from fyke.storage.sql.state.check import check
from fyke.storage.sql.state.storage import POSTGRES_WRITERS, SqlStorage, open_storage
from support import records

pytestmark = pytest.mark.anyio
State = Any
RULES = Rules(Prices(), frozenset(), 1000, "")
PROCESS = Path(__file__).parent.parent / "support" / "state_process.py"


def another(state: State) -> SqlStorage:
    """A storage on the same database, like that of another process."""
    return open_storage(state.url, durable=False, notify=str, hiding=frozenset())


def seed_many(parts: list[int]) -> Any:
    def work(tx: Transaction) -> list[Run]:
        owner, worker_id = records.seed(tx)
        return [records.seed_run(tx, owner, worker_id, n) for n in parts]

    return work


@pytest.mark.slow
async def test_two_processes_lease_each_subtask_once(state: State) -> None:
    parts = [50, 1, 1, 1, 40, 2, 5, 100]
    runs = await state.write(seed_many(parts))
    processes = [
        subprocess.Popen(
            [sys.executable, str(PROCESS), "lease", state.url, f"runner{n}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for n in range(2)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    outputs = await asyncio.gather(
        *(asyncio.to_thread(process.communicate, "go\n", 60) for process in processes)
    )
    received = [[tuple(item) for item in json.loads(out)] for out, _ in outputs]
    assert sorted(received[0] + received[1]) == sorted(
        (run.id, n) for run, count in zip(runs, parts, strict=True) for n in range(count)
    )
    assert [process.returncode for process in processes] == [0, 0]
    assert check(state.storage.engine) == []


@pytest.mark.slow
async def test_many_threads_lease_each_subtask_once(state: State) -> None:
    await state.write(seed_many([20] * 10))
    others = [state.storage, another(state), another(state)]

    async def drain(storage: SqlStorage, runner: str) -> int:
        total = 0
        while leases := await storage.write(
            lambda tx: tx.runs.lease(runner, Capacity(2, 10_000, 9), 100)
        ):
            total += len(leases)
        return total

    totals = await asyncio.gather(*(drain(others[n % 3], f"r{n}") for n in range(6)))
    assert sum(totals) == 200
    assert len(await state.read(lambda tx: tx.runs.active_attempts())) == 200
    for storage in others[1:]:
        await storage.close()


async def test_one_of_several_concurrent_moves_counts(state: State) -> None:
    [run] = await state.write(seed_many([1]))
    other = another(state)
    moves = [replace(run, state=RunState.RUNNING, err_msg=str(n)) for n in range(10)]

    def move(storage: SqlStorage, to: Run) -> Any:
        return storage.write(lambda tx: tx.runs.move(to, RunState.READY))

    results = await asyncio.gather(
        *(move(other if n % 2 else state.storage, to) for n, to in enumerate(moves))
    )
    await other.close()
    assert sum(results) == 1
    stored = await state.read(lambda tx: tx.runs.get(run.id))
    assert stored == moves[results.index(True)]


async def test_a_transaction_that_locks_a_run_sees_the_last_subtask_end(state: State) -> None:
    """The last two subtasks end concurrently; exactly one of them is the last to end."""
    other = another(state)
    for _ in range(15):
        [run] = await state.write(seed_many([2]))
        await state.write(lambda tx: tx.runs.lease("r", Capacity(9, 9000, 9), 100))

        def finish(ordinal: int, run_id: str = run.id) -> Any:
            def work(tx: Transaction) -> int:
                tx.runs.end_subtask(run_id, ordinal, SUCCESS)
                tx.runs.lock(run_id)
                return sum(s.state is not SubtaskState.ENDED for s in tx.runs.subtasks(run_id))

            return work

        left = await asyncio.gather(state.write(finish(0)), other.write(finish(1)))
        assert sorted(left) == [0, 1]
    await other.close()


async def test_an_abort_finds_the_attempt_or_has_ended_its_subtask(state: State) -> None:
    other = another(state)
    for _ in range(15):
        [run] = await state.write(seed_many([3]))
        (_, aborted), leases = await asyncio.gather(
            state.write(lambda tx, run_id=run.id: abort_run(tx, RULES, run_id, "test")),
            other.write(lambda tx: tx.runs.lease("r", Capacity(9, 9000, 9), 100)),
        )
        assert aborted.state is (RunState.ABORTING if leases else RunState.ABORTED)
        attempts = await state.read(lambda tx, run_id=run.id: tx.runs.attempts(run_id))
        assert len(attempts) == len(leases)
    await other.close()


async def test_samples_of_a_locked_run_are_thinned_later(state: State) -> None:
    """A report has locked other runs: if it waited, two reports could wait for each other."""
    other, loop = another(state), asyncio.get_running_loop()
    [run] = await state.write(seed_many([1]))
    points = [UsageSample(run.id, at, 1, 1, 1, 1) for at in range(MAX_POINTS - 1)]
    await state.write(lambda tx: tx.samples.add(points))
    locked, commit = asyncio.Event(), threading.Event()

    def hold(tx: Transaction) -> None:
        tx.runs.lock_all([run.id])
        loop.call_soon_threadsafe(locked.set)
        assert commit.wait(30)

    async def add(at: int) -> int:
        sample = UsageSample(run.id, at, 1, 1, 1, 1)
        await state.write(lambda tx: add_samples(tx, [sample], at))
        return len(await state.read(lambda tx: tx.samples.of_run(run.id)))

    if not is_sqlite(state.storage.engine):  # where a transaction that writes is alone
        holding = asyncio.create_task(other.write(hold))
        await locked.wait()
        assert await add(10_000) == MAX_POINTS
        commit.set()
        await holding
    assert await add(20_000) <= MAX_POINTS // 2 + 1
    await other.close()


async def test_subtasks_that_others_lock_do_not_hide_the_rest_of_their_run(state: State) -> None:
    """Also while one of them is left to another machine, so that only planned ones are taken."""
    other, loop = another(state), asyncio.get_running_loop()
    [run] = await state.write(seed_many([5]))
    fault = reason_with_detail(ReasonCode.NOT_STARTED, Detail(DetailCode.STORE_AWAY))
    locked, commit = asyncio.Event(), threading.Event()

    def give_back(tx: Transaction) -> None:
        tx.runs.put_runner(RunnerInfo("r2", "n2", "full", "", 9, 9000, tx.now))
        [lease] = tx.runs.lease("r1", Capacity(9, 9000, 1), 100, node="n1")
        tx.runs.return_attempt(lease.attempt.key, "away", fault, 7, unstarted_only=False)
        tx.runs.return_subtask(run.id, 0, tx.now - 1)

    def hold(tx: Transaction) -> int:
        leases = tx.runs.lease("r2", Capacity(9, 9000, 3), 100, node="n2")
        loop.call_soon_threadsafe(locked.set)
        assert commit.wait(30)
        return len(leases)

    def lease(tx: Transaction) -> list[int]:
        leases = tx.runs.lease("r1", Capacity(9, 9000, 2), 100, node="n1")
        return [lease.subtask.ordinal for lease in leases]

    await state.write(give_back)
    holding = asyncio.create_task(other.write(hold))
    await locked.wait()
    if is_sqlite(state.storage.engine):  # where a transaction that writes is alone
        commit.set()
        assert await holding == 3
    assert await state.write(lease) == [3, 4]
    commit.set()
    assert await holding == 3
    await other.close()


async def test_an_abort_waits_for_a_lease_that_is_not_committed(state: State) -> None:
    """Otherwise it would end the run, and the leased attempt would start nevertheless."""
    other, loop = another(state), asyncio.get_running_loop()
    [run] = await state.write(seed_many([1]))
    leased, commit = asyncio.Event(), threading.Event()

    def lease(tx: Transaction) -> int:
        leases = tx.runs.lease("r", Capacity(9, 9000, 9), 100)
        loop.call_soon_threadsafe(leased.set)
        assert commit.wait(30)
        return len(leases)

    leasing = asyncio.create_task(other.write(lease))
    await leased.wait()
    aborting = asyncio.create_task(state.write(lambda tx: abort_run(tx, RULES, run.id, "test")))
    if not is_sqlite(state.storage.engine):  # with SQLite the abort has not begun
        while not await state.read(waits_for_lock):
            pass
    assert not aborting.done()
    commit.set()
    assert await leasing == 1
    assert (await aborting)[1].state is RunState.ABORTING
    await other.close()


def waits_for_lock(tx: Transaction) -> bool:
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    return bool(tx.connection.exec_driver_sql(query).scalar())  # type: ignore[attr-defined]


async def test_a_locked_balance_is_spent_once(state: State) -> None:
    owner, _ = await state.write(records.seed)
    await state.write(lambda tx: tx.ledger.append(records.entry(owner, EntryKind.CREDIT, 1000)))
    other = another(state)

    def spend(tx: Transaction) -> bool:
        account = tx.accounts.lock(owner)
        assert account is not None
        if account.balance_micros - account.held_micros < 100:
            return False
        tx.ledger.append(records.entry(owner, EntryKind.HOLD, -100))
        return True

    spent = await asyncio.gather(
        *((other if n % 2 else state.storage).write(spend) for n in range(20))
    )
    await other.close()
    assert sum(spent) == 10
    assert await state.read(lambda tx: tx.ledger.sums(owner)) == (1000, 1000, 0)


async def test_two_servers_never_claim_the_same_delivery(state: State) -> None:
    [run] = await state.write(seed_many([1]))
    deliveries = [
        records.delivery(run.account_id, run.id, next_at=n, receiver=f"http://h{n}.example:80")
        for n in range(30)  # each with its own host, because the rate for one host is limited
    ]
    await state.write(lambda tx: [tx.outbox.add(d) for d in deliveries])
    other = another(state)

    def claim(tx: Transaction) -> list[str]:
        return [claimed.delivery.id for claimed in tx.outbox.claim(99, free_slots((), 5), 500)]

    claims = await asyncio.gather(
        *((other if n % 2 else state.storage).write(claim) for n in range(12))
    )
    await other.close()
    claimed = [delivery_id for ids in claims for delivery_id in ids]
    assert len(claimed) == len(set(claimed))
    rest = await state.write(lambda tx: tx.outbox.claim(99, free_slots(()), 500))
    assert len(claimed) + len(rest) == 30


async def test_runs_of_one_worker_move_concurrently(state: State) -> None:
    """The runs share one account and its counts: no change is lost, and there is no deadlock."""
    runs = await state.write(seed_many([1] * 12))
    other = another(state)

    def finish(run: Run) -> Any:
        def work(tx: Transaction) -> bool:
            locked = tx.runs.lock(run.id)
            assert locked is not None
            ended = replace(locked, state=RunState.SUCCEEDED, finished_at=9)
            moved = tx.runs.move(ended, RunState.READY)
            tx.ledger.append(records.entry(run.account_id, EntryKind.USAGE, -3))
            return moved

        return work

    moved = await asyncio.gather(
        *((other if n % 2 else state.storage).write(finish(run)) for n, run in enumerate(runs))
    )
    await other.close()
    assert all(moved)
    differences = [f for f in check(state.storage.engine) if "count" in f or "ledger" in f]
    # the test does not use the service that ends runs, which also adds to the usage by day
    assert [f for f in differences if "by day" not in f] == []


async def test_an_urgent_write_does_not_wait_for_others_of_its_process(state: State) -> None:
    loop, goes_on = asyncio.get_running_loop(), threading.Event()
    begun = asyncio.Semaphore(0)

    def wait(tx: Transaction) -> bool:
        loop.call_soon_threadsafe(begun.release)
        return goes_on.wait(30)

    threads = 1 if is_sqlite(state.storage.engine) else POSTGRES_WRITERS
    writes = [asyncio.create_task(state.write(wait)) for _ in range(threads + 1)]
    for _ in range(threads):
        await begun.acquire()
    urgent = asyncio.create_task(state.storage.write(lambda tx: tx.now, urgent=True))
    if threads == 1:  # SQLite has one writer
        await state.read(lambda tx: tx.now)
        assert not urgent.done()
    else:
        assert await urgent > 0
    assert not any(write.done() for write in writes)
    goes_on.set()
    assert all(await asyncio.gather(*writes)) and await urgent > 0


async def test_a_closed_storage_is_unavailable(state: State) -> None:
    other = another(state)
    await other.read(lambda tx: tx.now)
    await other.close()
    with pytest.raises(Unavailable):
        await other.write(lambda tx: tx.now)
