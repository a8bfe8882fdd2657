"""Runs end exactly once in any order of events: services over the stores of both databases."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from fyke.contracts.signals import OUTBOX, STOP
from fyke.contracts.state import Transaction
from fyke.domain.runs import sampling
from fyke.domain.runs.attempts import Attempts
from fyke.domain.runs.outcome import HIDING
from fyke.domain.runs.transitions import Rules
from fyke.errors import RunNotAbortable, StaleLease, Unavailable
from fyke.model.attempt import AttemptEnd, AttemptReport, RunnerOrders, SiteTraffic
from fyke.model.billing import Prices
from fyke.model.run import (
    SUCCESS,
    Attempt,
    End,
    Outcome,
    Run,
    RunLimits,
    RunState,
    SpendingBound,
    UsageSample,
)
from fyke.model.runner import AttemptUsage, Capacity, Lease, Renewal
from fyke.reasons import Detail, DetailCode
from fyke.storage.sql.state.runs.store import SqlRuns
from support.records import seed, seed_run
from support.run_endings import CALLBACK, ROOM, Setup
from support.statements import executed

pytestmark = pytest.mark.anyio


class FullDisk:
    """A storage of which only the first ``writes`` writes succeed."""

    def __init__(self, storage: Any, writes: int) -> None:
        self._storage, self._writes = storage, writes

    async def write(self, work: Any) -> Any:
        if not self._writes:
            raise Unavailable("the disk is full")
        self._writes -= 1
        return await self._storage.write(work)

    async def read(self, work: Any) -> Any:
        return await self._storage.read(work)


async def test_the_last_subtask_ends_the_run_and_counts_the_rows(setup: Setup) -> None:
    run, leases = await setup.start(2)
    assert (await setup.stored(run)).state is RunState.RUNNING
    assert await setup.push(leases[0], 3)
    assert await setup.push(leases[1], 4)
    assert (await setup.end(leases[0], traffic_bytes=10)).state is RunState.RUNNING
    await setup.end(leases[1], traffic_bytes=5)
    now = await setup.check_ended_once(run)
    assert (now.state, now.results, now.traffic_bytes) == (RunState.SUCCEEDED, 7, 15)
    assert OUTBOX in setup.notified
    assert f"run:{run.id}" in setup.notified


async def test_rows_of_a_failed_subtask_are_hidden_in_a_run_that_succeeds(setup: Setup) -> None:
    run, (good, bad) = await setup.start(2)
    await setup.push(good, 2)
    await setup.push(bad, 5)
    await setup.end(bad, Outcome.EXIT_CODE)
    await setup.end(good)
    now = await setup.check_ended_once(run)
    assert (now.state, now.results) == (RunState.SUCCEEDED, 2)
    assert (now.subtasks_succeeded, now.subtasks_failed) == (1, 1)
    hidden = await setup.storage.read(lambda tx: tx.runs.hidden_attempts(run.id))
    assert (await setup.results.totals(run.id, hidden)).rows == 2


async def test_a_failed_run_has_the_reason_of_the_first_subtask(setup: Setup) -> None:
    run, (first, second) = await setup.start(2)
    await setup.end(second, Outcome.TIMEOUT)
    await setup.end(first, Outcome.OUT_OF_MEMORY)
    now = await setup.check_ended_once(run)
    assert (now.state, now.outcome) == (RunState.FAILED, Outcome.OUT_OF_MEMORY)
    assert now.err_msg == "out_of_memory"


@pytest.mark.slow
async def test_concurrent_ends_of_subtasks_end_the_run_once(setup: Setup) -> None:
    for _ in range(5):
        run, leases = await setup.start(8)
        await asyncio.gather(*(setup.end(lease) for lease in leases))
        assert (await setup.check_ended_once(run)).state is RunState.SUCCEEDED


async def race_abort(setup: Setup, rng: random.Random) -> RunState:
    run, [lease] = await setup.start()

    async def abort() -> bool:
        await asyncio.sleep(rng.random() * 0.004)
        try:
            await setup.abort(run)
        except RunNotAbortable:
            return False
        return True

    async def finish() -> None:
        await asyncio.sleep(rng.random() * 0.004)
        await setup.end(lease)

    aborted, _ = await asyncio.gather(abort(), finish())
    now = await setup.check_ended_once(run)
    assert now.state is (RunState.ABORTED if aborted else RunState.SUCCEEDED)
    assert not await setup.push(lease, 1)
    return now.state


@pytest.mark.slow
async def test_an_abort_and_an_end_have_one_winner(setup: Setup) -> None:
    rng = random.Random(21)
    ends = [await race_abort(setup, rng) for _ in range(40)]
    assert set(ends) == {RunState.ABORTED, RunState.SUCCEEDED}


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_thousands_of_races_between_abort_and_end_have_one_winner(setup: Setup) -> None:
    rng = random.Random(22)
    ends = [await race_abort(setup, rng) for _ in range(2_500)]
    assert set(ends) == {RunState.ABORTED, RunState.SUCCEEDED}


async def test_an_abort_stops_running_and_ends_waiting_subtasks(setup: Setup) -> None:
    def seeded(tx: Transaction) -> tuple[Run, list[Lease]]:
        owner, worker = seed(tx)
        run = seed_run(tx, owner, worker, 3, callback_url=CALLBACK)
        return run, tx.runs.lease("r1", Capacity(100, 10**6, 1), tx.now + 60_000)

    run, [lease] = await setup.storage.write(seeded)
    await setup.results.open_attempt(run.id, lease.attempt.id)
    assert (await setup.abort(run)).state is RunState.ABORTING
    assert STOP in setup.notified
    orders = await setup.attempts.report([AttemptReport(lease.attempt.key, AttemptUsage())], 15_000)
    assert orders.stop[lease.attempt.id].outcome is Outcome.ABORTED
    await setup.end(lease, Outcome.ABORTED)
    now = await setup.check_ended_once(run)
    assert (now.state, now.subtasks_failed) == (RunState.ABORTED, 0)


async def test_a_waiting_run_is_aborted_at_once(setup: Setup) -> None:
    def seeded(tx: Transaction) -> Run:
        owner, worker = seed(tx)
        return seed_run(tx, owner, worker, 2, callback_url=CALLBACK)

    run = await setup.storage.write(seeded)
    await setup.abort(run)
    assert (await setup.check_ended_once(run)).state is RunState.ABORTED
    leased = await setup.storage.write(lambda tx: tx.runs.lease("r1", ROOM, tx.now + 1))
    assert leased == []


async def test_a_lost_runner_can_change_nothing(setup: Setup) -> None:
    run, [lease] = await setup.start()
    await setup.push(lease, 2)
    renewal = Renewal(lease.attempt.id, lease.attempt.token, AttemptUsage(7))
    await setup.storage.write(lambda tx: tx.runs.renew([renewal], -1))
    [until] = (await setup.attempts.check_leases()).values()
    assert not await setup.attempts.end_expired(lease.attempt.id, 1)  # the lease was renewed
    assert await setup.push(lease, 1)
    assert await setup.attempts.end_expired(lease.attempt.id, until)
    now = await setup.check_ended_once(run)
    assert (now.state, now.outcome, now.results) == (RunState.FAILED, Outcome.RUNNER_LOST, 3)
    assert now.traffic_bytes == 7
    # the runner continues: its rows, its end and its report change nothing
    assert not await setup.push(lease, 1)
    assert await setup.end(lease) is None
    with pytest.raises(StaleLease):
        await setup.attempts.started(lease.attempt.key, lease.attempt.runner_id)
    orders = await setup.attempts.report(
        [AttemptReport(lease.attempt.key, AttemptUsage(99))], 15_000
    )
    assert orders.lost == {lease.attempt.id}
    assert await setup.check_ended_once(run) == now


@pytest.mark.parametrize("writes", [0, 1])
async def test_an_outage_while_a_lost_attempt_is_ended_changes_neither_its_rows_nor_its_reason(
    setup: Setup, writes: int
) -> None:
    """``writes`` writes of the state succeed: none, or only the takeover of the attempt."""
    run, [lease] = await setup.start()
    await setup.push(lease, 2)
    [(name, until)] = (await setup.attempts.check_leases()).items()
    failing = Attempts(FullDisk(setup.storage, writes), setup.results, setup.rules)
    with pytest.raises(Unavailable):
        await failing.end_expired(name, until)
    assert not (await setup.stored(run)).state.terminal
    taken_over = writes == 1
    # the Worker whose push is refused exits with an error, which its runner reports
    assert await setup.push(lease, 1) is not taken_over
    report = AttemptReport(lease.attempt.key, AttemptUsage())
    assert (await setup.attempts.report([report], 15_000)).lost == ({name} if taken_over else set())
    if not taken_over:
        [until] = (await setup.attempts.check_leases()).values()
    else:
        assert await setup.end(lease, Outcome.EXIT_CODE) is None
    assert await setup.attempts.end_expired(name, until)
    now = await setup.check_ended_once(run)
    rows = 2 if taken_over else 3
    assert (now.state, now.outcome, now.results) == (RunState.FAILED, Outcome.RUNNER_LOST, rows)


async def test_a_traffic_cap_of_the_run_counts_all_its_attempts(setup: Setup) -> None:
    limits = RunLimits(0.125, 512, 1800, 0, 1_000)
    run, leases = await setup.start(2, limits=limits)
    reports = [
        AttemptReport(lease.attempt.key, AttemptUsage(traffic_bytes=499)) for lease in leases
    ]
    assert not (await setup.attempts.report(reports, 15_000)).stop
    reports = [
        AttemptReport(lease.attempt.key, AttemptUsage(traffic_bytes=501)) for lease in leases
    ]
    orders = await setup.attempts.report(reports, 15_000)
    assert {end.outcome for end in orders.stop.values()} == {Outcome.TRAFFIC_CAP}
    assert len(orders.stop) == 2
    for lease in leases:
        await setup.end(lease, Outcome.TRAFFIC_CAP, traffic_bytes=501)
    now = await setup.check_ended_once(run)
    assert (now.state, now.outcome) == (RunState.FAILED, Outcome.TRAFFIC_CAP)
    assert "max_total_traffic" in now.err_msg


async def test_neither_an_end_nor_a_report_reads_the_ended_attempts_of_the_run(
    setup: Setup,
) -> None:
    limits = RunLimits(0.125, 512, 1800, 0, 1_000)
    run, leases = await setup.start(30, limits=limits)
    for lease in leases[:20]:
        await setup.end(lease, traffic_bytes=40, cpu_ms=2)

    def spoil(tx: Any) -> None:
        ended = "UPDATE attempts SET traffic_bytes = 1000000, cpu_ms = 99 WHERE outcome IS NOT NULL"
        tx.connection.exec_driver_sql(ended)

    await setup.storage.write(spoil)
    assert (await setup.end(leases[20], traffic_bytes=100)).state is RunState.RUNNING
    report = [AttemptReport(leases[21].attempt.key, AttemptUsage(traffic_bytes=100, cpu_ms=5))]
    assert not (await setup.attempts.report(report, 15_000)).stop
    [sample] = await setup.storage.read(lambda tx: tx.samples.of_run(run.id))
    assert (sample.cpu_ms, sample.traffic_bytes) == (45, 1_000)
    assert (await setup.end(leases[22], traffic_bytes=1)).state is RunState.ENDING


async def test_the_usage_of_a_run_is_exact_after_ends_returns_kills_and_repeats(
    setup: Setup,
) -> None:
    run, leases = await setup.start(6)
    reports = [
        AttemptReport(lease.attempt.key, AttemptUsage(n + 1, 10 * n, rows=n, memory_bytes=100))
        for n, lease in enumerate(leases)
    ]
    await setup.attempts.report(reports, 15_000)
    away = Detail(DetailCode.EGRESS_AWAY)

    async def check(active: int) -> None:
        def read(tx: Transaction) -> tuple[UsageSample, list[Attempt]]:
            return tx.samples.measure([run.id], 1)[run.id], tx.runs.attempts(run.id)

        sample, attempts = await setup.storage.read(read)
        names = "cpu_ms", "traffic_bytes", "rows"
        sums = {name: sum(getattr(a, name) for a in attempts) for name in names}
        assert sample == UsageSample(run.id, 1, memory_bytes=100 * active, **sums)

    await check(6)
    for _ in range(2):  # a repeated end or return changes nothing
        await setup.push(leases[1], 3)
        await setup.end(leases[1], traffic_bytes=50, cpu_ms=70)
        await setup.attempts.give_back(leases[2].attempt.key, away, actor="test")
        await check(4)
    until = (await setup.attempts.check_leases())[leases[3].attempt.id]
    assert await setup.attempts.end_expired(leases[3].attempt.id, until)
    await setup.end(leases[3], traffic_bytes=10**6)  # its runner is late
    await check(3)

    def lease_again(tx: Any) -> list[Lease]:
        tx.connection.exec_driver_sql("UPDATE subtasks SET not_before = 0")
        return tx.runs.lease("r2", ROOM, tx.now + 60_000)

    [again] = await setup.storage.write(lease_again)
    await setup.attempts.started(again.attempt.key, again.attempt.runner_id)
    await check(3)
    await setup.end(again, traffic_bytes=9, cpu_ms=9)
    await check(3)


async def test_a_report_takes_as_many_statements_for_many_attempts_as_for_one(
    setup: Setup,
) -> None:
    setup.rules = Rules(Prices(cpu_hour=Decimal(1)), HIDING, 1000, "")
    limits = RunLimits(0.125, 512, 1800, 2_000_000, 1_000)
    leases = []
    for subtasks in (1, 3, 40, 2):  # all in use at the same time
        leases += (await setup.start(subtasks, limits=limits, hold_micros=2_000_000))[1]
    sites = (SiteTraffic("a.example", 1, 2, 3, 0, 0),)

    async def report(leases: list[Lease]) -> int:
        reports = [AttemptReport(lease.attempt.key, AttemptUsage(5), sites) for lease in leases]
        with executed() as statements:
            orders = await setup.attempts.report(reports, 15_000)
        assert orders == RunnerOrders({}, frozenset(), orders.next_check_ms)
        assert orders.next_check_ms
        return len(statements)

    first = await report(leases[:1])
    samples = await setup.storage.read(lambda tx: tx.samples.of_run(leases[0].run.id))
    assert [sample.traffic_bytes for sample in samples] == [5]
    many = await report(leases[1:])
    assert many == first <= 8  # with sites, a sample, and caps on traffic and charge
    for lease in leases:
        stored = await setup.storage.read(lambda tx, lease=lease: tx.sites.reported(lease.run.id))
        assert set(stored) == {sites}


async def test_a_report_is_one_statement_while_nothing_else_is_due(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "MIN_DISTANCE_MS", 3_600_000)
    free = RunLimits(0.125, 512, 1800, 0, 0)
    leases = [lease for n in (1, 3) for lease in (await setup.start(n, limits=free))[1]]
    attempts = setup.attempts

    async def report(**usage: int) -> list[str]:
        reports = [AttemptReport(lease.attempt.key, AttemptUsage(**usage)) for lease in leases]
        with executed() as statements:
            orders = await attempts.report(reports, 15_000)
        assert orders == RunnerOrders({}, frozenset())
        return [sql for sql, _ in statements]

    assert len(await report(cpu_ms=1)) == 4  # with the first samples
    assert len(await report(cpu_ms=2)) == 1
    stored = await setup.storage.read(lambda tx: tx.runs.attempts(leases[0].run.id))
    assert [attempt.cpu_ms for attempt in stored] == [2]
    assert stored[0].lease_until > leases[0].attempt.lease_until - 60_000
    run = await setup.abort(leases[0].run)
    reports = [AttemptReport(lease.attempt.key, AttemptUsage()) for lease in leases]
    orders = await attempts.report(reports, 15_000)
    assert (run.state, orders.stop.keys()) == (RunState.ABORTING, {leases[0].attempt.id})


async def test_a_return_reads_no_more_for_a_run_with_many_attempts(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Any:
        raise AssertionError("all attempts of the run were read")

    monkeypatch.setattr(SqlRuns, "attempts", refuse)
    monkeypatch.setattr(SqlRuns, "attempts_of", refuse)
    counts = []
    for subtasks in (2, 60):
        run, leases = await setup.start(subtasks)
        with executed() as statements:
            returned = await setup.attempts.give_back(
                leases[0].attempt.key, Detail(DetailCode.EGRESS_AWAY), actor="test"
            )
        counts.append(len(statements))
        assert returned is not None and returned.run is not None
        assert (returned.run.id, returned.run.state) == (run.id, RunState.RUNNING)
    assert counts[0] == counts[1]


async def test_a_charge_cap_stops_the_run(setup: Setup) -> None:
    setup.rules = Rules(Prices(traffic_gb=Decimal(1)), HIDING, 1000, "")
    limits = RunLimits(0.125, 512, 1800, 2_000_000, 0)
    run, [lease] = await setup.start(limits=limits, hold_micros=2_000_000, bound=SpendingBound.RUN)
    under = [AttemptReport(lease.attempt.key, AttemptUsage(traffic_bytes=1_900_000_000))]
    assert not (await setup.attempts.report(under, 15_000)).stop
    reports_over_limit = [
        AttemptReport(lease.attempt.key, AttemptUsage(traffic_bytes=2_100_000_000))
    ]
    orders = await setup.attempts.report(reports_over_limit, 15_000)
    assert orders.stop[lease.attempt.id].outcome is Outcome.CHARGE_CAP
    await setup.end(lease, Outcome.CHARGE_CAP, traffic_bytes=2_100_000_000)
    now = await setup.check_ended_once(run)
    assert now.state is RunState.FAILED
    assert now.err_msg == "Stopped: the cap of 2 USD on what this run may cost was reached"
    assert now.usage_micros == 2_000_000  # usage beyond the held amount is not charged


async def test_a_report_states_when_the_charge_reaches_the_held_amount(setup: Setup) -> None:
    setup.rules = Rules(Prices(cpu_hour=Decimal(3600)), HIDING, 1000, "")  # a dollar a second
    limits = RunLimits(1, 512, 1800, 0, 0)
    run, leases = await setup.start(2, limits=limits, hold_micros=600_000_000)
    reports = [AttemptReport(lease.attempt.key, AttemptUsage()) for lease in leases]
    orders = await setup.attempts.report(reports, 15_000)
    assert orders.next_check_ms == 300_000  # two attempts use up the amount in half the time
    await setup.end(leases[0], busy_ms=60_000)
    reports = [AttemptReport(leases[1].attempt.key, AttemptUsage(busy_ms=90_000))]
    orders = await setup.attempts.report(reports, 15_000)
    assert orders.next_check_ms == 450_000
    await setup.end(leases[1], busy_ms=100_000)
    now = await setup.check_ended_once(run)
    assert (now.busy_ms, now.usage_micros) == (160_000, 160_000_000)
    free, [lease] = await setup.start(limits=limits)
    orders = await setup.attempts.report([AttemptReport(lease.attempt.key, AttemptUsage())], 15_000)
    assert (free.hold_micros, orders.next_check_ms, orders.stop) == (0, None, {})


async def test_a_run_started_without_prices_costs_nothing(setup: Setup) -> None:
    run, [lease] = await setup.start()
    setup.rules = Rules(Prices(traffic_gb=Decimal(1)), HIDING, 1000, "")
    orders = await setup.attempts.report(
        [AttemptReport(lease.attempt.key, AttemptUsage(traffic_bytes=10**12))], 15_000
    )
    assert orders.stop == {}
    await setup.end(lease, traffic_bytes=10**12, cpu_ms=5, memory_mb_ms=77)
    now = await setup.check_ended_once(run)
    assert (now.usage_micros, now.traffic_bytes) == (0, 10**12)
    assert (now.cpu_ms, now.memory_mb_ms) == (5, 77)


async def test_only_reports_with_a_valid_lease_add_points(setup: Setup) -> None:
    run, (lease,) = await setup.start()

    async def points() -> list[int]:
        return await setup.storage.read(
            lambda tx: [sample.cpu_ms for sample in tx.samples.of_run(run.id)]
        )

    stale = replace(lease.attempt, token=lease.attempt.token + 1)
    assert (
        await setup.attempts.report([AttemptReport(stale.key, AttemptUsage(cpu_ms=99))], 15_000)
    ).lost
    assert await points() == []
    await setup.attempts.report([AttemptReport(lease.attempt.key, AttemptUsage(cpu_ms=5))], 15_000)
    await setup.attempts.report([AttemptReport(lease.attempt.key, AttemptUsage(cpu_ms=6))], 15_000)
    assert await points() == [5]  # the next one is not due yet
    await setup.end(lease, cpu_ms=7)
    assert await points() == [5, 7]  # the end is always a point


async def test_a_run_without_reports_has_no_points(setup: Setup) -> None:
    run, (lease,) = await setup.start()
    await setup.end(lease, cpu_ms=7)
    assert await setup.storage.read(lambda tx: tx.samples.of_run(run.id)) == []


async def sites_of(setup: Setup, run: Run) -> tuple[list[Any], list[Any]]:
    """The stored sums of ended attempts, and the sums that active attempts reported."""
    return await setup.storage.read(
        lambda tx: ([*tx.sites.of_run(run.id)], tx.sites.reported(run.id))
    )


async def test_sites_of_a_run_count_each_attempt_once(setup: Setup) -> None:
    run, (first, second) = await setup.start(parts=2)
    reported = (SiteTraffic("a.example", requests=1, bytes_down=10),)
    last = (SiteTraffic("a.example", requests=2, bytes_down=30), SiteTraffic("b.example", 1))
    reports = [
        AttemptReport(lease.attempt.key, AttemptUsage(), reported) for lease in (first, second)
    ]
    await setup.attempts.report(reports, 60_000)
    await setup.attempts.report(
        [AttemptReport(first.attempt.key, AttemptUsage())], 60_000
    )  # nothing new
    stale = replace(first.attempt, token=first.attempt.token + 1)
    orders = await setup.attempts.report([AttemptReport(stale.key, AttemptUsage(), last)], 60_000)
    assert orders.lost == {first.attempt.id}
    assert await sites_of(setup, run) == ([], [reported, reported])

    for _ in range(2):  # a second report changes nothing
        await setup.attempts.ended(
            first.attempt.key, AttemptEnd(SUCCESS, AttemptUsage(), sites=last), actor="test"
        )
    assert await sites_of(setup, run) == ([*last], [reported])
    await setup.attempts.ended(
        second.attempt.key, AttemptEnd(End(Outcome.RUNNER_LOST), AttemptUsage()), actor="timers"
    )
    both = SiteTraffic("a.example", requests=3, bytes_down=40)
    assert await sites_of(setup, run) == ([both, last[1]], [])
    late = await setup.attempts.report(
        [AttemptReport(second.attempt.key, AttemptUsage(), last)], 60_000
    )
    assert late.lost == {second.attempt.id}
    assert await sites_of(setup, run) == ([both, last[1]], [])


async def test_a_run_has_a_bounded_number_of_sites(setup: Setup) -> None:
    run, leases = await setup.start(parts=3)
    for n, lease in enumerate(leases):
        many = tuple(SiteTraffic(f"{n}-{k}.example", requests=1) for k in range(150))
        await setup.attempts.ended(
            lease.attempt.key, AttemptEnd(SUCCESS, AttemptUsage(), sites=many), actor="test"
        )
    sites, _ = await sites_of(setup, run)
    assert len(sites) == 201
    assert sum(site.requests for site in sites) == 450
