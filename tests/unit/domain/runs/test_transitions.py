"""What a change of a run's state writes in the same transaction."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from fyke.contracts.signals import STOP, WORK, run_topic
from fyke.domain.runs.final_rows import KeptRows, RowsNotCounted
from fyke.domain.runs.lifecycle import AbortRequested, AttemptStarted, LimitReached, SubtaskEnded
from fyke.domain.runs.outcome import HIDING
from fyke.domain.runs.transitions import Rules, apply, charged, cost_micros
from fyke.errors import RunNotAbortable
from fyke.model.account import Plan
from fyke.model.attempt import AttemptEnd
from fyke.model.billing import EntryKind, Prices
from fyke.model.callback import DeliveryKind
from fyke.model.run import SUCCESS, End, Origin, Outcome, Run, RunLimits, RunState, SubtaskState
from fyke.model.runner import AttemptUsage, Capacity, Renewal
from support import records
from support.stores import Stores

pytestmark = pytest.mark.anyio
USD = 1_000_000
FREE = Rules(Prices(), HIDING, 1000, "")
PRICED = Rules(Prices(cpu_hour=Decimal(3600), traffic_gb=Decimal(1)), HIDING, 1000, "")
ONE = Capacity(cpus=1, memory_mb=512, slots=1)
LIMITS = RunLimits(1, 512, 1800, 0, 0)
DONE = SubtaskEnded(0, 1, SUCCESS)


async def change(stores: Stores, run: Run, event: object, rules: Rules = FREE) -> Run | None:
    return await stores.write(lambda tx: apply(tx, rules, run, event, "test"))  # type: ignore[arg-type]


async def test_an_event_that_changes_nothing_writes_nothing(stores: Stores) -> None:
    run = await stores.run(state=RunState.RUNNING)
    assert await change(stores, run, AttemptStarted()) == run
    assert await stores.read(lambda tx: tx.runs.events(run.id)) == []
    assert stores.notified == []


async def test_a_start_is_recorded_and_notified(stores: Stores) -> None:
    run = await stores.run()
    stores.clock.advance(5)
    moved = await change(stores, run, AttemptStarted())
    assert moved is not None and moved == await stores.stored(run)
    assert (moved.state, moved.started_at) == (RunState.RUNNING, stores.clock.now_ms())
    assert run_topic(run.id) in stores.notified
    [event] = await stores.read(lambda tx: tx.runs.events(run.id))
    assert (event.kind, event.before, event.after, event.actor) == (
        "AttemptStarted", "ready", "running", "test",
    )  # fmt: skip


async def test_of_two_events_on_one_state_the_second_changes_nothing(stores: Stores) -> None:
    run = await stores.run(state=RunState.RUNNING)
    assert await change(stores, run, DONE) is not None
    assert await change(stores, run, LimitReached(0, End(Outcome.TIMEOUT))) is None
    assert (await stores.stored(run)).state is RunState.SUCCEEDED
    assert len(await stores.read(lambda tx: tx.runs.events(run.id))) == 1


async def test_an_abort_ends_waiting_subtasks_immediately_and_stops_the_rest(
    stores: Stores,
) -> None:
    run = await stores.run(2)
    moved = await change(stores, run, AbortRequested(active_attempts=1))
    assert moved is not None and (moved.state, moved.finished_at) == (RunState.ABORTING, 0)
    subtasks = await stores.read(lambda tx: tx.runs.subtasks(run.id))
    assert {(s.state, s.outcome) for s in subtasks} == {(SubtaskState.ENDED, Outcome.ABORTED)}
    assert STOP in stores.notified
    with pytest.raises(RunNotAbortable):
        await change(stores, replace(moved, state=RunState.SUCCEEDED), AbortRequested(0))


@pytest.mark.parametrize(
    ("wanted", "kinds"), [(True, ["running", "terminal"]), (False, ["terminal"])]
)
async def test_running_callbacks_depend_on_the_setting(
    stores: Stores, wanted: bool, kinds: list[str]
) -> None:
    rules = replace(FREE, running_callbacks=wanted)
    run = await stores.run(callback_url="https://hooks.example/x", origin=Origin.API_V2)
    moved = await change(stores, run, AttemptStarted(), rules)
    assert moved is not None
    await change(stores, moved, DONE, rules)
    deliveries = await stores.read(lambda tx: tx.outbox.of_run(run.id))
    expected = {DeliveryKind(kind) for kind in kinds}
    assert {delivery.kind for delivery in deliveries} == expected


async def test_the_end_of_a_run_of_a_limited_plan_wakes_runners_for_the_next(
    stores: Stores,
) -> None:
    for plan, woken in ((Plan.UNLIMITED, False), (Plan.FREE, True)):
        await stores.write(lambda tx, plan=plan: tx.accounts.set_plan(stores.account, plan))
        stores.notified.clear()
        await change(stores, await stores.run(state=RunState.RUNNING), DONE)
        assert (WORK in stores.notified) == woken


async def ended_attempt(stores: Stores, run: Run, outcome: Outcome, rows: int) -> None:
    """End the next attempt of the run after ten seconds and 1 GB."""

    def work(tx) -> None:
        [lease] = tx.runs.lease("r", ONE, tx.now + 60_000)
        tx.runs.start_attempt(lease.attempt.key, tx.now)
        usage = AttemptUsage(traffic_bytes=10**9)
        tx.runs.renew([Renewal(lease.attempt.id, lease.attempt.token, usage)], 0)
        final = AttemptUsage(
            traffic_bytes=10**9, cpu_ms=3, memory_mb_ms=7, busy_ms=10_000, browser_ms=2
        )
        ended = AttemptEnd(End(outcome), final)
        tx.runs.end_attempt(lease.attempt.key, ended, rows, tx.now + 10_000)
        tx.runs.end_subtask(run.id, lease.attempt.ordinal, End(outcome))

    await stores.write(work)


async def test_the_totals_include_visible_rows_and_the_usage_of_all_attempts(
    stores: Stores,
) -> None:
    run = await stores.run(3, limits=LIMITS, hold_micros=100 * USD)
    for outcome, rows in ((Outcome.SUCCEEDED, 5), (Outcome.EXIT_CODE, 3), (Outcome.ABORTED, 2)):
        await ended_attempt(stores, run, outcome, rows)
    with pytest.raises(RowsNotCounted) as missing:
        await change(stores, run, DONE, PRICED)
    [hidden] = missing.value.hidden
    kept = KeptRows(frozenset({hidden}), 1)
    moved = await stores.write(lambda tx: apply(tx, PRICED, run, DONE, "test", kept))
    assert moved is not None
    # the rows of the failed Worker are hidden, except for one that another has upserted too
    assert moved.results == 5 + 2 + 1
    assert (moved.traffic_bytes, moved.busy_ms) == (3 * 10**9, 30_000)
    assert (moved.cpu_ms, moved.memory_mb_ms, moved.browser_ms) == (9, 21, 6)
    assert (moved.subtasks_succeeded, moved.subtasks_failed) == (1, 1)
    assert moved.usage_micros == 33 * USD


async def test_the_charge_is_at_most_the_reserved_amount_and_the_rest_is_released(
    stores: Stores,
) -> None:
    for hold, usage in ((5 * USD, 5 * USD), (20 * USD, 11 * USD), (0, 0)):
        run = await stores.run(limits=LIMITS, hold_micros=hold)
        await stores.write(
            lambda tx, hold=hold: tx.ledger.append(
                records.entry(stores.account, EntryKind.HOLD, -hold)
            )
        )
        await ended_attempt(stores, run, Outcome.SUCCEEDED, 0)
        assert await stores.read(lambda tx, run=run: cost_micros(tx, PRICED, run)) == 11 * USD
        assert await stores.read(lambda tx, run=run: charged(tx, PRICED, run)) == usage
        moved = await change(stores, run, DONE, PRICED)
        assert moved is not None and moved.usage_micros == usage
        account = await stores.read(lambda tx: tx.accounts.get(stores.account))
        assert account is not None and account.held_micros == 0
