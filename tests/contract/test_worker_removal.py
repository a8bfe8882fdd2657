"""Deleting a worker while others start, lease and end its runs, on both databases."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.domain.catalog.removal import WorkerRemoval
from fyke.domain.runs.outcome import HIDING
from fyke.domain.runs.transitions import Rules
from fyke.domain.workers.lookup import refuse_deleted
from fyke.errors import WorkerNotFound
from fyke.model.account import Caller
from fyke.model.billing import Prices
from fyke.model.run import Outcome, Run, RunFilter, RunState, SubtaskState
from fyke.model.runner import Capacity
from fyke.reasons import Reason, ReasonCode, sentence
from support import records

pytestmark = pytest.mark.anyio
State = Any

RULES = Rules(Prices(), HIDING, 1000, "")
ROOM = Capacity(cpus=1000, memory_mb=10**7, slots=1000)
REASON = sentence(Reason(ReasonCode.WORKER_DELETED))


async def make(state: State) -> tuple[Caller, str]:
    owner, worker_id = await state.write(records.seed)
    await state.write(lambda tx: tx.workers.add_version(records.version(worker_id)))
    return Caller(owner, "acme", False, "u", "k"), worker_id


def start(tx: Transaction, caller: Caller, worker_id: str, parts: int = 1) -> Run:
    """Start a run as the service of runs does."""
    run = records.seed_run(tx, caller.account_id, worker_id, parts)
    refuse_deleted(tx, worker_id)
    return run


async def test_removal_ends_waiting_subtasks_and_keeps_running_ones(state: State) -> None:
    caller, worker_id = await make(state)
    other_worker = records.worker(caller.account_id)
    await state.write(lambda tx: tx.workers.add(other_worker))

    def fill(tx: Transaction) -> list[Run]:
        leased = start(tx, caller, worker_id, 2)  # one part with a runner, one still waiting
        tx.runs.lease("r1", replace(ROOM, slots=1), tx.now + 60_000)
        waiting = [start(tx, caller, worker_id, parts) for parts in (1, 3)]
        foreign = start(tx, caller, other_worker.id)
        active_run = start(tx, caller, worker_id)
        ended = replace(active_run, state=RunState.SUCCEEDED, finished_at=tx.now)
        assert tx.runs.move(ended, RunState.READY)
        return [leased, *waiting, foreign, ended]

    leased, first, second, foreign, ended = await state.write(fill)
    assert await state.read(lambda tx: tx.runs.not_started(worker_id, 9)) == [first.id, second.id]
    assert await state.read(lambda tx: tx.runs.not_started(worker_id, 1)) == [first.id]
    removal = WorkerRemoval(state.storage, RULES)
    assert await removal.delete(caller, worker_id) == 2

    async def run_of(run: Run) -> Any:
        return await state.read(lambda tx: tx.runs.get(run.id))

    for run in (first, second):
        now = await run_of(run)
        assert (now.state, now.outcome, now.err_msg) == (
            RunState.FAILED,
            Outcome.WORKER_DELETED,
            REASON,
        )
        assert now.finished_at and not now.started_at
        parts = await state.read(lambda tx, run=run: tx.runs.subtasks(run.id))
        assert {(part.state, part.outcome) for part in parts} == {
            (SubtaskState.ENDED, Outcome.WORKER_DELETED)
        }
    for run in (leased, foreign, ended):
        assert await run_of(run) == run
    # the waiting subtask of a run that has started, and the subtask of the other worker
    leases = await state.write(lambda tx: tx.runs.lease("r1", ROOM, tx.now + 60_000))
    assert sorted(lease.run.id for lease in leases) == [leased.id, foreign.id]
    assert await removal.delete(caller, worker_id) == 0


@pytest.mark.slow
async def test_removal_ends_more_runs_than_one_transaction(state: State) -> None:
    caller, worker_id = await make(state)
    await state.write(lambda tx: [start(tx, caller, worker_id) for _ in range(230)])
    assert await WorkerRemoval(state.storage, RULES).delete(caller, worker_id) == 230
    assert await state.read(lambda tx: tx.runs.not_started(worker_id, 9)) == []


async def delete_in_traffic(state: State, chance: random.Random) -> None:
    """Delete a worker while four tasks start its runs and one task leases; no run may be left."""
    caller, worker_id = await make(state)

    async def starter() -> None:
        with pytest.raises(WorkerNotFound):
            while True:
                await state.write(lambda tx: start(tx, caller, worker_id))

    async def leaser() -> None:
        for _ in range(3):
            await state.write(
                lambda tx: tx.runs.lease("r1", replace(ROOM, slots=2), tx.now + 60_000)
            )

    async def deleter() -> int:
        for _ in range(chance.randrange(6)):
            await state.read(lambda tx: tx.workers.get(worker_id))
        return await WorkerRemoval(state.storage, RULES).delete(caller, worker_id)

    tasks = [starter() for _ in range(4)]
    *_, ended = await asyncio.gather(*tasks, leaser(), deleter())
    assert await state.read(lambda tx: tx.runs.not_started(worker_id, 9)) == []
    assert await count_refused(state, caller, worker_id) == ended


async def count_refused(state: State, caller: Caller, worker_id: str) -> int:
    """Return the number of runs that ended before their start; check that all others have an
    attempt.
    """

    def count(tx: Transaction) -> list[tuple[Run, int]]:
        of_worker = RunFilter(worker_id=worker_id)
        _, runs = tx.runs.page(caller.account_id, of_worker, offset=0, limit=1000)
        return [(run, len(tx.runs.attempts(run.id))) for run in runs]

    runs = await state.read(count)
    refused = [run for run, _ in runs if run.state is RunState.FAILED]
    assert {run.err_msg for run in refused} <= {REASON}
    assert all(attempts == (run.state is RunState.READY) for run, attempts in runs)
    return len(refused)


@pytest.mark.parametrize(
    "times", [6, pytest.param(500, marks=[pytest.mark.long, pytest.mark.timeout(600)])]
)
async def test_concurrent_removal_leaves_no_waiting_run(state: State, times: int) -> None:
    chance = random.Random(32)
    for _ in range(times):
        await delete_in_traffic(state, chance)
