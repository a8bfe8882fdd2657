"""Traces of runs until they are sent, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.model.callback import DeliveryState
from fyke.model.run import RunState
from fyke.model.trace import RunTrace
from support import records

pytestmark = pytest.mark.anyio
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


async def test_those_of_ended_runs_are_found_and_taken_once(state: Any) -> None:
    def work(tx: Transaction) -> list[str]:
        owner, worker = records.seed(tx)
        ended = {"state": RunState.FAILED, "finished_at": 9}
        runs = [records.seed_run(tx, owner, worker, 0, **ended) for _ in range(3)]
        runs.append(records.seed_run(tx, owner, worker))
        for run in runs:
            tx.traces.add(RunTrace(run.id, TRACE, PARENT, 5))
        return [run.id for run in runs]

    *ended, active = await state.write(work)
    assert await state.read(lambda tx: tx.traces.get(active)) == RunTrace(active, TRACE, PARENT, 5)
    found = await state.read(lambda tx: tx.traces.of_ended_runs(0, 2))
    assert [trace.run_id for trace in found] == ended[:2]
    assert await state.write(lambda tx: tx.traces.take(ended[0]))
    assert not await state.write(lambda tx: tx.traces.take(ended[0]))
    found = await state.read(lambda tx: tx.traces.of_ended_runs(0, 9))
    assert [trace.run_id for trace in found] == ended[1:]
    assert await state.write(lambda tx: tx.traces.drop_ended()) == 2
    assert await state.read(lambda tx: tx.traces.of_ended_runs(0, 9)) == []
    assert await state.read(lambda tx: tx.traces.get(active)) is not None


async def test_a_run_waits_for_its_callback_until_a_time(state: Any) -> None:
    def work(tx: Transaction) -> None:
        owner, worker = records.seed(tx)
        run = records.seed_run(tx, owner, worker, 0, state=RunState.FAILED, finished_at=50)
        tx.traces.add(RunTrace(run.id, TRACE))
        tx.outbox.add(records.delivery(owner, run.id))
        delivered = records.delivery(owner, run.id, state=DeliveryState.DELIVERED)
        tx.outbox.add(delivered)

    await state.write(work)
    assert await state.read(lambda tx: tx.traces.of_ended_runs(50, 9)) == []
    assert len(await state.read(lambda tx: tx.traces.of_ended_runs(51, 9))) == 1


async def test_a_deleted_run_has_no_trace(state: Any) -> None:
    def work(tx: Transaction) -> str:
        owner, worker = records.seed(tx)
        run = records.seed_run(tx, owner, worker, 0, state=RunState.FAILED, finished_at=9)
        tx.traces.add(RunTrace(run.id, TRACE))
        tx.runs.delete(run.id)
        return run.id

    run_id = await state.write(work)
    assert await state.read(lambda tx: tx.traces.get(run_id)) is None
