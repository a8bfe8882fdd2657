"""The storage contract for estimates and caps, on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.model.run import Outcome, PastRun, RunLimits, RunState, SpendingBound
from support import records

pytestmark = pytest.mark.anyio
State = Any


async def test_caps_are_written_and_read(state: State) -> None:
    owner, _ = await state.write(records.seed)

    def work(tx: Transaction) -> None:
        tx.accounts.set_caps(owner, run_cap_micros=7, month_cap_micros=2**60)

    await state.write(work)
    account = await state.read(lambda tx: tx.accounts.get(owner))
    assert (account.run_cap_micros, account.month_cap_micros) == (7, 2**60)
    assert await state.write(lambda tx: tx.accounts.lock(owner)) == account


async def test_limits_and_totals_of_a_run_are_stored(state: State) -> None:
    owner, worker = await state.write(records.seed)
    run = records.run(owner, worker, hold_micros=5, bound=SpendingBound.MONTH)
    await state.write(lambda tx: tx.runs.add(run, []))
    used = {"busy_ms": 1, "cpu_ms": 2, "memory_mb_ms": 3, "browser_ms": 4}
    ended = replace(run, state=RunState.FAILED, outcome=Outcome.CHARGE_CAP, **used)
    assert await state.write(lambda tx: tx.runs.move(ended, RunState.READY))
    assert await state.read(lambda tx: tx.runs.get(run.id)) == ended


async def test_the_run_that_holds_most_is_found(state: State) -> None:
    owner, worker = await state.write(records.seed)
    stranger, foreign = await state.write(records.seed)
    small, large, ended, none = (
        records.run(owner, worker, hold_micros=micros) for micros in (5, 7, 99, 0)
    )
    theirs = records.run(stranger, foreign, hold_micros=9)

    def work(tx: Transaction) -> None:
        for run in (small, large, ended, none, theirs):
            tx.runs.add(run, [])
        tx.runs.move(replace(ended, state=RunState.FAILED), RunState.READY)

    await state.write(work)

    async def largest(account_id: str, besides: str = "") -> Any:
        return await state.read(lambda tx: tx.admission.largest_hold(account_id, besides=besides))

    assert await largest(owner) == (large.id, 7)
    assert await largest(owner, large.id) == (small.id, 5)
    assert await largest(stranger, theirs.id) is None


async def test_only_runs_that_succeeded_or_timed_out_count_for_estimates(state: State) -> None:
    owner, worker = await state.write(records.seed)
    stranger, foreign = await state.write(records.seed)
    outcomes = [
        Outcome.SUCCEEDED, Outcome.EXIT_CODE, Outcome.TIMEOUT, Outcome.ABORTED, None,
        Outcome.CHARGE_CAP, Outcome.SUCCEEDED,
    ]  # fmt: skip

    def work(tx: Transaction) -> None:
        for number, outcome in enumerate(outcomes):
            at = records.START + number * 1000
            run = records.run(
                owner,
                worker,
                version=f"1.0.{number}",
                state=RunState.SUCCEEDED,
                outcome=outcome,
                subtasks=number,
                created_at=at,
                started_at=at + 1,
                finished_at=at + 11 if outcome else 0,
                busy_ms=number,
                cpu_ms=2,
                traffic_bytes=3,
                browser_ms=4,
            )
            tx.runs.add(replace(run, limits=RunLimits(0.25, 512, 60, 0, 0)), [])
        other = records.run(owner, foreign, outcome=Outcome.SUCCEEDED, started_at=1, finished_at=2)
        tx.runs.add(other, [])
        tx.runs.add(replace(other, id=records.ordered_id(), account_id=stranger), [])

    await state.write(work)
    expected = [
        PastRun(f"1.0.{n}", 0.25, n, 10, n, 2, 3, records.START + n * 1000 + 11, browser_ms=4)
        for n in (6, 2, 0)
    ]
    assert await state.read(lambda tx: tx.runs.past_runs(owner, worker, 100)) == expected
    assert await state.read(lambda tx: tx.runs.past_runs(owner, worker, 5)) == expected[:2]
    assert await state.read(lambda tx: tx.runs.past_runs(owner, worker, 1)) == expected[:1]
    assert await state.read(lambda tx: tx.runs.past_runs(stranger, worker, 9)) == []
