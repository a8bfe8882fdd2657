"""Numbers of the whole installation, on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.model.billing import UsageKey, UsageSums
from fyke.model.callback import DeliveryKind, DeliveryState
from fyke.model.metrics import ActiveAttempts, EndedRuns, PendingDeliveries
from fyke.model.run import Outcome, RunState
from fyke.model.runner import AttemptUsage, Capacity, Renewal
from fyke.reasons import Reason, ReasonCode
from support import records

pytestmark = pytest.mark.anyio
State = Any
ROOM = Capacity(cpus=100, memory_mb=10**6, slots=100)


async def test_leased_attempts_are_added_up_by_pool(state: State) -> None:
    assert await state.read(lambda tx: tx.metrics.active_attempts(tx.now)) == []

    def work(tx: Transaction) -> int:
        owner, worker = records.seed(tx)
        records.seed_run(tx, owner, worker, 3)
        first, *_ = tx.runs.lease("R1", ROOM, tx.now + 60_000, node="n1")
        key = first.attempt.key
        assert tx.runs.start_attempt(key, tx.now)
        usage = AttemptUsage(traffic_bytes=7, cpu_ms=1500)
        tx.runs.renew([Renewal(key.id, key.token, usage)], 120_000)
        return tx.now

    now = await state.write(work)
    found = await state.read(lambda tx: tx.metrics.active_attempts(now + 90_000))
    assert found == [ActiveAttempts("default", 3, 2, 2, 7, 1500)]


async def test_runs_that_have_not_started_are_counted_by_pool_and_found_by_age(
    state: State,
) -> None:
    def work(tx: Transaction) -> list[str]:
        owner, worker = records.seed(tx)
        ids = [records.seed_run(tx, owner, worker, pool="gpu").id for _ in range(3)]
        records.seed_run(tx, owner, worker)
        records.seed_run(tx, owner, worker, 0, state=RunState.RUNNING)
        records.seed_run(tx, owner, worker, 0, state=RunState.FAILED, finished_at=9)
        return ids

    ids = await state.write(work)
    assert await state.read(lambda tx: tx.metrics.waiting_runs()) == {"default": 1, "gpu": 3}
    assert await state.read(lambda tx: tx.metrics.oldest_waiting("gpu", 2)) == ids[:2]
    assert await state.read(lambda tx: tx.metrics.oldest_waiting("none", 2)) == []


async def test_deliveries_that_wait_are_counted_by_kind(state: State) -> None:
    def work(tx: Transaction) -> None:
        owner, worker = records.seed(tx)
        run = records.seed_run(tx, owner, worker)
        one = records.delivery(owner, run.id, kind=DeliveryKind.TERMINAL, next_at=50)
        tx.outbox.add(one)
        tx.outbox.add(replace(one, id=records.ordered_id(), next_at=40))
        sent = replace(one, id=records.ordered_id(), state=DeliveryState.DELIVERED, next_at=1)
        tx.outbox.add(sent)

    await state.write(work)
    found = await state.read(lambda tx: tx.metrics.pending_deliveries())
    assert found == [PendingDeliveries("terminal", 2, 40)]


async def test_usage_is_that_of_all_accounts_and_counts_a_run_once(state: State) -> None:
    def work(tx: Transaction) -> None:
        for day, rows in ((20261120, 1), (20261121, 10), (20261122, 100)):
            owner, worker = records.seed(tx)
            tx.usage.add(UsageKey(owner, day, worker), UsageSums(runs=2, failed=1, results=rows))

    await state.write(work)
    assert await state.read(lambda tx: tx.metrics.usage(0, 20261121)) == UsageSums(
        runs=4, failed=2, results=11
    )
    assert await state.read(lambda tx: tx.metrics.usage(20261122, 99991231)) == UsageSums(
        runs=2, failed=1, results=100
    )
    assert await state.read(lambda tx: tx.metrics.usage(20261123, 99991231)) == UsageSums()


async def test_runs_are_counted_by_state_and_those_ended_lately_by_reason(state: State) -> None:
    assert await state.read(lambda tx: tx.metrics.runs_by_state()) == {}

    def work(tx: Transaction) -> None:
        owner, worker = records.seed(tx)
        records.seed_run(tx, owner, worker)
        reason = Reason.of(ReasonCode.TIMEOUT, seconds=1)
        failed = {"state": RunState.FAILED, "outcome": Outcome.TIMEOUT, "reason": reason}
        for at in (10, 20, 30):
            records.seed_run(tx, owner, worker, 0, finished_at=at, **failed)
        ended = {"state": RunState.SUCCEEDED, "outcome": Outcome.SUCCEEDED}
        records.seed_run(tx, owner, worker, 0, finished_at=40, **ended)

    await state.write(work)
    assert await state.read(lambda tx: tx.metrics.runs_by_state()) == {
        **{"failed": 3, "ready": 1, "succeeded": 1}
    }
    failed = EndedRuns("failed", "timeout", ReasonCode.TIMEOUT.value, 2)
    succeeded = EndedRuns("succeeded", "succeeded", "", 1)
    found = await state.read(lambda tx: tx.metrics.ended_runs(20, 10))
    assert found == [failed, succeeded]
    last = await state.read(lambda tx: tx.metrics.ended_runs(20, 1))
    assert last == [succeeded]
