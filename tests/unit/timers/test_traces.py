"""Ended runs are sent to a collector once, and lost if it is away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from fyke.contracts.state import Transaction
from fyke.domain.runs import traces
from fyke.domain.runs.traces import traceparent
from fyke.model.callback import DeliveryState
from fyke.model.run import Outcome, RunState
from fyke.model.runner import Capacity
from fyke.model.trace import RunTrace
from fyke.notify import otlp
from fyke.notify.otlp import OtlpExporter
from fyke.storage.sql.state.storage import open_storage
from fyke.timers import traces as timer_module
from fyke.timers.traces import TraceTimer
from support import records
from support.collector import attributes_of, collector
from support.prepared import state_in

pytestmark = pytest.mark.anyio
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[Any]:
    storage = open_storage(
        state_in(tmp_path), durable=False, notify=lambda topic: None, hiding=frozenset()
    )
    yield storage
    await storage.close()


def ended_run(tx: Transaction, age_ms: int = 10) -> str:
    """A run with a trace and an attempt that has started, which has ended; its id."""
    owner, worker = records.seed(tx)
    run = records.seed_run(
        tx, owner, worker,
        state=RunState.SUCCEEDED, outcome=Outcome.SUCCEEDED, finished_at=tx.now - age_ms,
    )  # fmt: skip
    tx.traces.add(RunTrace(run.id, TRACE, PARENT, run.created_at))
    return run.id


async def left(state: Any) -> int:
    count: int = await state.read(lambda tx: len(tx.traces.of_ended_runs(tx.now, 100)))
    return count


async def test_an_ended_run_is_sent_with_its_attempts_and_only_once(state: Any) -> None:
    def work(tx: Transaction) -> str:
        owner, worker = records.seed(tx)
        run = records.seed_run(tx, owner, worker)
        tx.traces.add(RunTrace(run.id, TRACE, PARENT, run.created_at))
        [lease] = tx.runs.lease("r", Capacity(2, 9000, 9), tx.now + 60_000, node="node-7")
        assert tx.runs.start_attempt(lease.attempt.key, tx.now)
        return str(lease.attempt.id)

    attempt_id = await state.write(work)
    with collector() as there:
        timer = TraceTimer(state, OtlpExporter(there.url, "server"))
        await timer.tick()
        assert there.paths == []  # it goes on
        [run_id] = await state.write(_end_all)
        await timer.tick()
        await timer.tick()
    assert (len(there.paths), await left(state)) == (1, 0)
    [root] = there.named("fyke.run")
    assert attributes_of(root)["fyke.run"] == run_id
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (TRACE, PARENT)
    [worker] = there.named("fyke.worker")
    given = traceparent(RunTrace(run_id, TRACE), attempt_id)
    assert given == f"00-{TRACE}-{worker.span_id.hex()}-01"
    [attempt] = there.named("fyke.attempt")
    assert attributes_of(attempt)["fyke.machine"] == "node-7"


def _end_all(tx: Transaction) -> list[str]:
    """End all runs as a statement does; return their ids."""
    from sqlalchemy import text

    connection: Any = tx.connection  # type: ignore[attr-defined]
    change = text("UPDATE runs SET state = 'succeeded', finished_at = :now")
    connection.execute(change, {"now": tx.now})
    return [str(row) for row in connection.execute(text("SELECT id FROM runs")).scalars()]


async def test_a_callback_that_is_pending_is_waited_for_but_not_for_long(
    state: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(tx: Transaction) -> None:
        run_id = ended_run(tx)
        run = tx.runs.get(run_id)
        assert run is not None
        tx.outbox.add(records.delivery(run.account_id, run_id, state=DeliveryState.PENDING))

    await state.write(work)
    with collector() as there:
        timer = TraceTimer(state, OtlpExporter(there.url, "server"))
        await timer.tick()
        assert (there.paths, await left(state)) == ([], 1)
        monkeypatch.setattr(traces, "CALLBACK_MS", 0)
        await timer.tick()
    assert (len(there.named("fyke.callback")), await left(state)) == (1, 0)


async def test_traces_of_a_time_without_a_collector_are_not_sent_later(state: Any) -> None:
    await state.write(lambda tx: ended_run(tx, traces.OLD_MS + 1000))
    with collector() as there:
        await TraceTimer(state, OtlpExporter(there.url, "server")).tick()
    assert (there.paths, await left(state)) == ([], 0)


async def test_a_collector_that_is_away_costs_lost_spans_and_is_said_once(
    state: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "SECONDS", 0.2)
    monkeypatch.setattr(timer_module, "BATCH", 1)
    with collector(status=404) as there, capture_logs() as lines:
        timer = TraceTimer(state, OtlpExporter(there.url, "server"))
        for _ in range(3):
            for _ in range(2):
                await state.write(ended_run)
            await timer.tick()
            assert await left(state) == 0
        there.status = 200
        await state.write(ended_run)
        await timer.tick()
    assert [line["event"] for line in lines] == ["traces_lost", "traces_sent_again"]
    assert "404" in lines[0]["problem"]
    assert lines[1]["lost_runs"] == 6
    assert len(there.named("fyke.run")) == 1


async def test_a_run_that_cannot_be_read_does_not_keep_the_next_from_being_sent(state: Any) -> None:
    def spoil(tx: Transaction) -> None:
        from sqlalchemy import text

        connection: Any = tx.connection  # type: ignore[attr-defined]
        change = text("UPDATE runs SET outcome = 'of a later release' WHERE id = :id")
        connection.execute(change, {"id": ended_run(tx)})

    await state.write(spoil)
    sound = await state.write(ended_run)
    with collector() as there, capture_logs() as lines:
        await TraceTimer(state, OtlpExporter(there.url, "server")).tick()
    assert [attributes_of(root)["fyke.run"] for root in there.named("fyke.run")] == [sound]
    assert [line["event"] for line in lines] == ["trace_not_made"]
    assert await left(state) == 0
