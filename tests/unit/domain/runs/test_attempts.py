"""Reports and ends of attempts, and the orders to runners."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from fyke.domain.runs.attempts import Attempts, GivenBack
from fyke.domain.runs.lifecycle import AbortRequested
from fyke.domain.runs.outcome import HIDING
from fyke.domain.runs.subtask_reader import SubtaskReader
from fyke.domain.runs.transitions import Rules, apply
from fyke.errors import StaleLease, Unavailable
from fyke.model.attempt import AttemptEnd, AttemptReport
from fyke.model.billing import Prices
from fyke.model.callback import DeliveryKind
from fyke.model.log import LogType
from fyke.model.run import SUCCESS, End, Origin, Outcome, Run, RunLimits, RunState, Subtask
from fyke.model.runner import AttemptUsage, Lease, RunnerInfo
from fyke.reasons import Detail, DetailCode, ReasonCode
from fyke.storage.signals.datagram import DatagramSignals
from fyke.storage.sql.state.runs.store import SqlRuns
from support.egress import until
from support.stores import ROOM, Stores

pytestmark = pytest.mark.anyio
LEASE = 60_000
CAPPED = RunLimits(1, 512, 1800, 0, 1000)  # bytes of traffic
EXIT = End(Outcome.EXIT_CODE, "exit 1")


class Setup:
    def __init__(self, stores: Stores, prices: Prices | None = None) -> None:
        self.stores = stores
        self.rules = Rules(prices or Prices(), HIDING, 1000, "")
        self.attempts = Attempts(stores.storage, stores.results, self.rules)

    async def start(self, parts: int = 1, **changes: object) -> tuple[Run, list[Lease]]:
        run = await self.stores.run(parts, **changes)
        leases = await self.stores.lease()
        for lease in leases:
            await self.stores.results.open_attempt(run.id, lease.attempt.id)
            await self.attempts.started(lease.attempt.key, lease.attempt.runner_id)
        return run, leases

    async def report(self, *each: tuple[Lease, int]):
        """Report each lease with its bytes so far."""
        reports = [
            AttemptReport(lease.attempt.key, AttemptUsage(traffic_bytes=count))
            for lease, count in each
        ]
        return await self.attempts.report(reports, LEASE)

    async def lose(self) -> int:
        """End all active attempts, whose leases have expired; return how many were ended."""
        leases = await self.attempts.check_leases()
        ended = [await self.attempts.end_expired(name, until) for name, until in leases.items()]
        return sum(ended)

    async def end(self, lease: Lease, end: End, **usage: int) -> Run | None:
        return await self.attempts.ended(
            lease.attempt.key, AttemptEnd(end, AttemptUsage(**usage)), actor="test"
        )


@pytest.fixture
def setup(stores: Stores) -> Setup:
    return Setup(stores)


async def test_a_run_ends_when_its_traffic_exceeds_the_cap(setup: Setup) -> None:
    run, [one, other] = await setup.start(2, limits=CAPPED)
    assert (await setup.report((one, 500), (other, 500))).stop == {}
    stop = (await setup.report((one, 501), (other, 500))).stop
    assert set(stop) == {one.attempt.id, other.attempt.id}
    assert {end.outcome for end in stop.values()} == {Outcome.TRAFFIC_CAP}
    assert (await setup.stores.stored(run)).state is RunState.ENDING


async def test_without_a_cap_any_traffic_is_allowed(setup: Setup) -> None:
    _, [one] = await setup.start(limits=RunLimits(1, 512, 1800, 0, 0))
    assert (await setup.report((one, 2**50))).stop == {}


async def test_each_report_about_a_run_that_is_being_stopped_returns_the_reason(
    setup: Setup,
) -> None:
    run, [one, other] = await setup.start(2)
    why = End(Outcome.ROW_CAP, "full")
    await setup.attempts.limit_reached(one.attempt.key, why)
    await setup.attempts.limit_reached(other.attempt.key, End(Outcome.TRAFFIC_CAP, "too late"))
    assert (await setup.report((other, 0))).stop == {other.attempt.id: why}
    await setup.end(one, why)
    await setup.end(other, why)
    ended = await setup.stores.stored(run)
    assert (ended.state, ended.outcome, ended.err_msg) == (RunState.FAILED, Outcome.ROW_CAP, "full")


async def test_an_attempt_is_closed_for_rows_once(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, [one, other] = await setup.start(2)
    results, closed = setup.stores.results, []

    async def close(attempt_id: str) -> int:
        closed.append(attempt_id)
        return 7

    monkeypatch.setattr(results, "close_attempt", close)
    await setup.attempts.ended(
        one.attempt.key, AttemptEnd(EXIT, AttemptUsage(), closed_rows=3), actor="test"
    )
    await setup.end(other, EXIT)
    assert closed == [other.attempt.id]
    ended = await setup.stores.storage.read(lambda tx: tx.runs.attempts(run.id))
    assert {attempt.id: attempt.rows for attempt in ended} == {
        one.attempt.id: 3,
        other.attempt.id: 7,
    }


async def test_a_limit_reported_after_the_end_changes_nothing(setup: Setup) -> None:
    run, [one] = await setup.start()
    ended = await setup.end(one, End(Outcome.SUCCEEDED))
    await setup.attempts.limit_reached(one.attempt.key, End(Outcome.ROW_CAP))
    await setup.stores.write(lambda tx: tx.runs.delete(run.id))
    assert ended is not None and ended.state is RunState.SUCCEEDED
    await setup.attempts.limit_reached(one.attempt.key, End(Outcome.ROW_CAP))


async def test_short_subtasks_together_cannot_exceed_the_traffic_cap(setup: Setup) -> None:
    run, [one, other] = await setup.start(2, limits=CAPPED)
    await setup.end(one, End(Outcome.SUCCEEDED), traffic_bytes=600)
    await setup.end(other, End(Outcome.SUCCEEDED), traffic_bytes=600)
    ended = await setup.stores.stored(run)
    assert (ended.state, ended.outcome) == (RunState.FAILED, Outcome.TRAFFIC_CAP)


@pytest.mark.parametrize(
    ("outcomes", "state", "message"),
    [(("exit_code", "signal"), RunState.FAILED, "exit_code"),
     (("succeeded", "signal"), RunState.SUCCEEDED, ""),
     (("exit_code", "succeeded"), RunState.SUCCEEDED, "")],
)  # fmt: skip
async def test_a_run_succeeds_with_one_subtask_and_fails_with_the_first_reason(
    setup: Setup, outcomes: tuple[str, ...], state: RunState, message: str
) -> None:
    run, leases = await setup.start(2)
    for lease in reversed(leases):  # the reason is that of the first by number
        outcome = Outcome(outcomes[lease.attempt.ordinal])
        await setup.end(lease, End(outcome, outcome.value))
    ended = await setup.stores.stored(run)
    assert (ended.state, ended.err_msg) == (state, message)


async def test_only_the_end_of_the_last_subtask_reads_them_all(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, leases = await setup.start(5)
    read: list[str] = []
    subtasks = SqlRuns.subtasks

    def reading(self: SqlRuns, run_id: str) -> list[Subtask]:
        read.append(run_id)
        return subtasks(self, run_id)

    monkeypatch.setattr(SqlRuns, "subtasks", reading)
    for lease in leases[:-1]:
        await setup.end(lease, EXIT)
    assert read == []
    last = await setup.end(leases[-1], SUCCESS)
    assert last is not None
    assert (last.state, last.subtasks_succeeded, last.subtasks_failed) == ("succeeded", 1, 4)
    assert set(read) == {run.id}


async def test_a_lost_attempt_cannot_start_report_or_end(
    setup: Setup,
) -> None:
    run, [one] = await setup.start()
    assert await setup.lose() == 1
    with pytest.raises(StaleLease):
        await setup.attempts.started(one.attempt.key, one.attempt.runner_id)
    orders = await setup.report((one, 5))
    assert (orders.lost, orders.stop, orders.next_check_ms) == ({one.attempt.id}, {}, None)
    assert await setup.end(one, End(Outcome.SUCCEEDED)) is None
    assert (await setup.stores.stored(run)).outcome is Outcome.RUNNER_LOST


async def test_the_log_of_a_lost_attempt_ends_with_an_error(setup: Setup) -> None:
    run, [one] = await setup.start()
    assert await setup.lose() == 1
    [line] = await setup.stores.results.log_tail(run.id, 10)
    reason = (await setup.stores.stored(run)).err_msg
    assert (line.type, line.group) == (LogType.ERROR, one.attempt.number)
    assert line.content == f"SYSTEM: Subtask-[{one.attempt.number}] - {reason}"
    assert line.timestamp == setup.stores.clock.now_ms()


async def test_a_report_renews_the_lease_and_stores_the_usage_of_a_lost_attempt(
    setup: Setup,
) -> None:
    run, [one] = await setup.start()
    [until] = (await setup.attempts.check_leases()).values()
    setup.stores.clock.advance(1)
    await setup.report((one, 77))
    assert not await setup.attempts.end_expired(one.attempt.id, until)
    assert await setup.lose() == 1
    assert (await setup.stores.stored(run)).traffic_bytes == 77


async def test_a_restarted_runner_ends_the_attempts_of_earlier_runners_of_its_place(
    setup: Setup,
) -> None:
    for name, place in (("before", "a"), ("new", "a"), ("copied folder", "b")):
        now = setup.stores.clock.now_ms()
        runner = RunnerInfo(name, "node", "full", "", 8, 1024, now, place=place)
        await setup.stores.write(lambda tx, runner=runner: tx.runs.put_runner(runner))
    runs = {}
    for name in ("before", "new", "copied folder"):
        runs[name] = await setup.stores.run()
        [lease] = await setup.stores.lease(name)
        await setup.attempts.started(lease.attempt.key, lease.attempt.runner_id)
    assert await setup.attempts.end_of_earlier_runners("a", "new") == 1
    lost = [name for name, run in runs.items() if (await setup.stores.stored(run)).state.terminal]
    assert lost == ["before"]


async def test_the_next_check_is_when_the_first_run_has_used_up_its_reserved_amount(
    stores: Stores,
) -> None:
    setup = Setup(stores, Prices(cpu_hour=Decimal(3600)))  # a dollar a second
    limits = RunLimits(1, 512, 1800, 0, 0)
    _, [one] = await setup.start(limits=limits, hold_micros=60_000_000)
    _, [other] = await setup.start(limits=limits, hold_micros=20_000_000)
    _, [free] = await setup.start(limits=limits)
    assert (await setup.report((one, 0), (other, 0), (free, 0))).next_check_ms == 20_000
    after = AttemptUsage(busy_ms=15_000)
    reports = [AttemptReport(lease.attempt.key, after) for lease in (one, other)]
    assert (await setup.attempts.report(reports, LEASE)).next_check_ms == 5_000
    assert (await setup.report((free, 0))).next_check_ms is None


async def test_an_attempt_that_cannot_be_ended_does_not_block_the_others(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, leases = await setup.start(3)
    now = setup.stores.clock.now_ms()
    earlier = RunnerInfo("r1", "node", "full", "", 8, 1024, now, place="a")
    await setup.stores.write(lambda tx: tx.runs.put_runner(earlier))
    stuck, close = leases[1].attempt.id, setup.stores.results.close_attempt

    async def close_attempt(attempt_id: str) -> int:
        if attempt_id == stuck:
            raise Unavailable("this row is locked")
        return await close(attempt_id)

    monkeypatch.setattr(setup.stores.results, "close_attempt", close_attempt)
    assert await setup.attempts.end_of_earlier_runners("a", "new") == 2
    assert list(await setup.attempts.check_leases()) == [stuck]
    assert not (await setup.stores.stored(run)).state.terminal


# --- time ------------------------------------------------------------------------------------

HOUR = 3600.0
SECOND = Prices(cpu_hour=Decimal(3600))  # a dollar a second


@pytest.mark.parametrize("step", [HOUR, -HOUR, 0.0])
async def test_a_step_of_the_clock_is_not_charged_and_ends_no_run(
    stores: Stores, step: float
) -> None:
    setup = Setup(stores, SECOND)
    limits = RunLimits(1, 512, 1800, 0, 0)
    run, [one] = await setup.start(limits=limits, hold_micros=60_000_000)
    stores.clock.advance(20)
    stores.clock.step(step)
    reports = [AttemptReport(one.attempt.key, AttemptUsage(busy_ms=20_000))]
    orders = await setup.attempts.report(reports, LEASE)
    assert (orders.stop, orders.next_check_ms) == ({}, 40_000)
    stores.clock.advance(10)
    ended = await setup.end(one, End(Outcome.SUCCEEDED), busy_ms=30_000)
    assert ended is not None and ended.state is RunState.SUCCEEDED
    assert (ended.busy_ms, ended.usage_micros) == (30_000, 30_000_000)
    assert (ended.duration_ms(), ended.duration_seconds) == (30_000, 30)
    assert (await stores.stored(run)).gap_ms == step * 1000


async def test_a_lost_attempt_is_charged_up_to_its_last_report(stores: Stores) -> None:
    setup = Setup(stores, SECOND)
    limits = RunLimits(1, 512, 1800, 0, 0)
    run, [one] = await setup.start(limits=limits, hold_micros=60_000_000)
    stores.clock.advance(4)
    await setup.attempts.report([AttemptReport(one.attempt.key, AttemptUsage(busy_ms=4000))], LEASE)
    stores.clock.advance(20)
    assert await setup.lose() == 1
    stored = await stores.stored(run)
    assert (stored.busy_ms, stored.usage_micros, stored.duration_ms()) == (4000, 4_000_000, 4000)


async def test_the_time_until_a_loss_was_seen_is_part_of_a_run_whose_others_went_on(
    stores: Stores,
) -> None:
    setup = Setup(stores)
    run, [one, _lost] = await setup.start(2)
    stores.clock.advance(24)
    await setup.end(one, End(Outcome.SUCCEEDED), busy_ms=24_000)
    assert await setup.lose() == 1
    stored = await stores.stored(run)
    assert stored.state.terminal and (stored.gap_ms, stored.duration_ms()) == (0, 24_000)


async def test_the_time_that_ending_takes_belongs_to_the_duration(setup: Setup) -> None:
    _, [one] = await setup.start()
    setup.stores.clock.advance(6)
    ended = await setup.end(one, End(Outcome.SUCCEEDED), busy_ms=4500)
    assert ended is not None and (ended.gap_ms, ended.duration_ms()) == (0, 6000)


async def test_a_gap_of_an_earlier_attempt_is_kept(setup: Setup) -> None:
    _, [one, other] = await setup.start(2)
    setup.stores.clock.step(HOUR)
    setup.stores.clock.advance(5)
    await setup.end(one, End(Outcome.SUCCEEDED), busy_ms=5000)
    setup.stores.clock.advance(5)
    ended = await setup.end(other, End(Outcome.SUCCEEDED), busy_ms=10_000)
    assert ended is not None and ended.duration_ms() == 10_000


# --- attempts that were not started ----------------------------------------------------------

AWAY = Detail(DetailCode.EGRESS_AWAY)
NO_REGISTRY = Detail.of(DetailCode.REGISTRY_AWAY, problem="timed out")


async def leased(setup: Setup, parts: int = 1) -> tuple[Run, list[Lease]]:
    run = await setup.stores.run(parts)
    return run, await setup.stores.lease()


async def test_a_returned_attempt_ends_nothing_and_its_subtask_is_leased_again(
    setup: Setup,
) -> None:
    run, [one] = await leased(setup)
    found = await setup.attempts.give_back(one.attempt.key, AWAY, actor="test")
    assert found == GivenBack(run, 1000)
    assert await setup.stores.lease() == []
    setup.stores.clock.advance(1)
    [again] = await setup.stores.lease()
    await setup.attempts.started(again.attempt.key, again.attempt.runner_id)
    ended = await setup.end(again, End(Outcome.SUCCEEDED))
    assert ended is not None and (ended.state, ended.err_msg) == (RunState.SUCCEEDED, "")
    events = await setup.stores.read(lambda tx: tx.runs.events(run.id))
    [returned] = [event for event in events if event.kind == "AttemptReturned"]
    assert returned.detail == "The Worker could not be started: the egress process does not answer"


async def test_runners_are_notified_when_the_pause_of_a_returned_attempt_ends(
    setup: Setup,
) -> None:
    _, [one] = await leased(setup)
    setup.stores.notified.clear()
    await setup.attempts.give_back(one.attempt.key, AWAY, actor="test")
    assert "work" not in setup.stores.notified
    await until(lambda: "work" in setup.stores.notified)
    setup.stores.clock.advance(1)
    [_again] = await setup.stores.lease()


async def test_a_run_whose_recorded_start_did_not_take_place_is_ready_again(setup: Setup) -> None:
    url = {"origin": Origin.API_V2, "callback_url": "https://example.com/hook"}
    run, [one] = await setup.start(**url)
    assert (await setup.stores.stored(run)).state is RunState.RUNNING
    found = await setup.attempts.give_back(one.attempt.key, AWAY, actor="test")
    waiting = await setup.stores.stored(run)
    assert found == GivenBack(waiting, 1000)
    assert (waiting.state, waiting.started_at) == (RunState.READY, 0)
    setup.stores.clock.advance(5)
    [again] = await setup.stores.lease()
    await setup.attempts.started(again.attempt.key, again.attempt.runner_id)
    ended = await setup.end(again, End(Outcome.SUCCEEDED), busy_ms=0)
    assert ended is not None and (ended.state, ended.duration_ms()) == (RunState.SUCCEEDED, 0)
    history = await setup.stores.read(lambda tx: tx.runs.events(run.id))
    assert [(event.kind, event.after) for event in history[-4:]] == [
        ("AttemptStarted", "running"),
        ("AttemptReturned", "ready"),
        ("AttemptStarted", "running"),
        ("SubtaskEnded", "succeeded"),
    ]
    assert history[-3].reason is not None and history[-3].reason.code is ReasonCode.NOT_STARTED
    calls = await setup.stores.read(lambda tx: tx.outbox.of_run(run.id))
    assert [call.kind for call in calls] == [DeliveryKind.RUNNING, DeliveryKind.TERMINAL]


@pytest.mark.parametrize("ends", [False, True])
async def test_a_run_with_another_started_attempt_stays_running(setup: Setup, ends: bool) -> None:
    run, [one, other] = await setup.start(2)
    before = await setup.stores.stored(run)
    if ends:
        await setup.end(other, End(Outcome.SUCCEEDED))
    await setup.attempts.give_back(one.attempt.key, AWAY, actor="test")
    after = await setup.stores.stored(run)
    assert (after.state, after.started_at) == (RunState.RUNNING, before.started_at)


async def leased_on(setup: Setup, node: str) -> Lease:
    [lease] = await setup.stores.write(
        lambda tx: tx.runs.lease(f"runner of {node}", ROOM, tx.now + 60_000, node=node)
    )
    return lease


async def test_the_history_and_the_subtasks_name_machine_and_subtask(
    setup: Setup, tmp_path: Path
) -> None:
    run = await setup.stores.run()
    first = await leased_on(setup, "n1")
    await setup.attempts.started(first.attempt.key, first.attempt.runner_id, "n1")
    await setup.attempts.give_back(first.attempt.key, AWAY, actor="test")
    setup.stores.clock.advance(5)
    second = await leased_on(setup, "n2")
    reader = SubtaskReader(setup.stores.storage)
    with closing(DatagramSignals(tmp_path / "signals")) as signals:
        runs = setup.stores.runs(tmp_path, setup.rules, signals)
    number = first.attempt.number
    for operator, names in ((True, ("n1", "n2")), (False, ("", ""))):
        caller = replace(setup.stores.caller, operator=operator)
        events = await runs.events(caller, run.id)
        assert [(event.kind, event.number, event.node) for event in events] == [
            ("AttemptStarted", number, names[0]),
            ("AttemptReturned", number, names[0]),
        ]
        _, [subtask] = await reader.page(caller, run.id, offset=0, limit=9)
        assert tuple(attempt.node for attempt in subtask.attempts) == names
        assert await reader.nodes(caller, run.id) == [name for name in names if name]
    assert second.attempt.node == "n2"
    counts = await setup.stores.read(lambda tx: tx.runs.active_by_runner())
    assert counts == {second.attempt.runner_id: 1}


async def test_a_registry_that_cannot_be_reached_ends_the_subtask_after_two_minutes(
    setup: Setup,
) -> None:
    run, [one] = await leased(setup)
    pauses, lines = [], []
    while True:
        lines.append((await setup.attempts.returned_line(one.attempt.key, NO_REGISTRY)).content)
        found = await setup.attempts.give_back(one.attempt.key, NO_REGISTRY, actor="test")
        assert found is not None
        if not found.pause_ms:
            break
        pauses.append(found.pause_ms // 1000)
        setup.stores.clock.advance(found.pause_ms / 1000)
        [one] = await setup.stores.lease()
    assert pauses == [1, 2, 4, 8, 16, 32, 60]
    said = "Worker could not be started: the package registry could not be reached: timed out"
    assert lines[1].endswith(f"The {said} (attempt 2; tried again in 2 s)")
    end = said.replace("started:", "started, 8 times in a row:")
    assert lines[-1].endswith(f"The {end}")
    assert (await setup.stores.stored(run)).err_msg == f"The {end}"


async def test_a_returned_attempt_of_a_run_that_is_being_stopped_ends_its_subtask(
    setup: Setup,
) -> None:
    run, [one, other] = await leased(setup, 2)
    await setup.attempts.started(other.attempt.key, other.attempt.runner_id)
    await setup.attempts.limit_reached(other.attempt.key, End(Outcome.ROW_CAP, "full"))
    await setup.attempts.give_back(one.attempt.key, AWAY, actor="test")
    await setup.end(other, End(Outcome.ROW_CAP, "full"))
    stored = await setup.stores.stored(run)
    assert (stored.state, stored.err_msg) == (RunState.FAILED, "full")


async def test_a_lost_runner_returns_what_it_has_not_started(setup: Setup) -> None:
    run, [one, other] = await leased(setup, 2)
    await setup.attempts.started(other.attempt.key, other.attempt.runner_id)
    assert await setup.lose() == 2
    attempts = await setup.stores.read(lambda tx: tx.runs.attempts(run.id))
    assert [a.outcome for a in attempts] == [Outcome.RETURNED, Outcome.RUNNER_LOST]
    assert attempts[0].err_msg.endswith(": the runner was lost or stopped first")
    assert (await setup.stores.stored(run)).state is RunState.RUNNING
    setup.stores.clock.advance(1)
    [again] = await setup.stores.lease()
    assert again.attempt.ordinal == one.attempt.ordinal
    assert await setup.attempts.give_back(one.attempt.key, AWAY, actor="too late") is None


async def test_a_run_without_a_running_worker_is_aborted_at_once(setup: Setup) -> None:
    run, [one] = await leased(setup)
    await setup.attempts.give_back(one.attempt.key, AWAY, actor="test")
    aborted = await setup.stores.write(
        lambda tx: apply(tx, setup.rules, tx.runs.lock(run.id), AbortRequested(0), "test")
    )
    assert aborted.state is RunState.ABORTED
    setup.stores.clock.advance(60)
    assert await setup.stores.lease() == []
