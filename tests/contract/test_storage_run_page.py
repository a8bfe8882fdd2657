"""The contract of points of usage, sites and share links of a run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.domain.runs.sampling import MAX_POINTS
from fyke.model.attempt import AttemptEnd, SiteTraffic
from fyke.model.run import SUCCESS, SampleSpan, Share, UsageSample
from fyke.model.runner import AttemptUsage, Capacity, Renewal
from fyke.model.usage_marks import UsageMark
from support import records

pytestmark = pytest.mark.anyio
State = Any
ROOM = Capacity(100, 10**6, 100)


async def a_run(state: State, parts: int = 2) -> tuple[Any, list[Any]]:
    def work(tx: Transaction) -> tuple[Any, list[Any]]:
        owner, worker = records.seed(tx)
        run = records.seed_run(tx, owner, worker, parts)
        return run, tx.runs.lease("r1", ROOM, tx.now + 60_000)

    run, leases = await state.write(work)
    return run, leases


async def test_a_point_sums_the_last_reports_of_the_attempts(state: State) -> None:
    run, (first, second) = await a_run(state)
    usage = AttemptUsage(
        traffic_bytes=7, cpu_ms=20, memory_peak_bytes=900, memory_bytes=800, rows=3,
        browser_memory_bytes=500,
    )  # fmt: skip

    def report(tx: Transaction) -> UsageSample:
        attempts = first.attempt, second.attempt
        renewals = [Renewal(attempt.id, attempt.token, usage) for attempt in attempts]
        renewed = tx.runs.renew(renewals, 1)
        assert renewed.tokens.keys() == {attempt.id for attempt in attempts}
        stale = Renewal(first.attempt.id, 99, AttemptUsage(10**9, 10**9))
        assert not tx.runs.renew([stale], 1).tokens.keys()
        return tx.samples.measure([run.id], 5)[run.id]

    assert await state.write(report) == UsageSample(run.id, 5, 40, 1600, 14, 6, 1000)
    ended = AttemptEnd(SUCCESS, AttemptUsage(traffic_bytes=8, cpu_ms=30))

    def end(tx: Transaction) -> UsageSample:
        assert tx.runs.end_attempt(first.attempt.key, ended, 4, 0)
        return tx.samples.measure([run.id], 6)[run.id]

    # an ended attempt uses no memory
    assert await state.write(end) == UsageSample(run.id, 6, 50, 800, 15, 7, 500)


async def test_points_are_ordered_and_can_be_thinned(state: State) -> None:
    run, _ = await a_run(state)
    points = [UsageSample(run.id, at, at, 1, 2, 3) for at in range(100, 107)]

    def fill(tx: Transaction) -> SampleSpan:
        assert tx.samples.spans([run.id]) == {run.id: SampleSpan()}
        tx.samples.add(points[::-1])
        return tx.samples.spans([run.id])[run.id]

    assert await state.write(fill) == SampleSpan(7, 100, 106)
    assert await state.read(lambda tx: tx.samples.of_run(run.id)) == points
    await state.write(lambda tx: tx.samples.thin(run.id))
    assert await state.read(lambda tx: tx.samples.of_run(run.id)) == points[::2]


async def test_reported_sites_are_stored_and_removed(state: State) -> None:
    run, (first, second) = await a_run(state)
    counted = SiteTraffic("b.example", 1, 2, 3, 4, 5, {"200": 1, "other": 2}, 6)
    reported = (counted, SiteTraffic("a.example", refused=1))
    reported_by_second = (SiteTraffic("c.example", 2**40),)

    def report(tx: Transaction) -> list[tuple[SiteTraffic, ...]]:
        tx.sites.report([(first.attempt.id, run.id, reported_by_second)])
        both = (first, reported), (second, reported_by_second)
        tx.sites.report([(lease.attempt.id, run.id, sites) for lease, sites in both])
        return tx.sites.reported(run.id)

    found = await state.write(report)
    assert sorted(found, key=len) == [reported_by_second, reported]
    assert await state.write(lambda tx: tx.sites.take(first.attempt.id)) == reported
    assert await state.write(lambda tx: tx.sites.take(first.attempt.id)) == ()
    assert await state.read(lambda tx: tx.sites.reported(run.id)) == [reported_by_second]

    def put(tx: Transaction) -> None:
        for site in (*reported_by_second, *reported, SiteTraffic("c.example", 7)):
            tx.sites.put(run.id, site)

    await state.write(put)
    sites = await state.read(lambda tx: tx.sites.of_run(run.id))
    assert sites == (reported[1], reported[0], SiteTraffic("c.example", 7))
    await state.write(lambda tx: tx.runs.delete(run.id))
    assert await state.read(lambda tx: tx.sites.of_run(run.id)) == ()
    assert await state.read(lambda tx: tx.sites.reported(run.id)) == []


async def test_the_last_report_of_marks_is_stored_by_attempt(state: State) -> None:
    run, (first, second) = await a_run(state)
    early, late = UsageMark("answers_429", 0, 5000, 3), UsageMark("a newer kind", 5000, 9000, 1)

    def report(tx: Transaction) -> None:
        tx.marks.report([(first.attempt.id, run.id, (early,))])
        tx.marks.report(
            [(second.attempt.id, run.id, (early,)), (first.attempt.id, run.id, (early, late))]
        )

    await state.write(report)
    found = await state.read(lambda tx: tx.marks.of_run(run.id, 9))
    assert found == {first.attempt.id: (early, late), second.attempt.id: (early,)}
    assert len(await state.read(lambda tx: tx.marks.of_run(run.id, 1))) == 1
    await state.write(lambda tx: tx.runs.delete(run.id))
    assert await state.read(lambda tx: tx.marks.of_run(run.id, 9)) == {}


async def test_points_and_links_are_deleted_with_their_run(state: State) -> None:
    run, _ = await a_run(state)
    share = Share(records.ordered_id(), run.account_id, run.id, "u", True, False, 1, 2, 0)

    def fill(tx: Transaction) -> None:
        tx.samples.add([UsageSample(run.id, 1, 1, 1, 1, 1)])
        tx.shares.add(share)

    await state.write(fill)
    await state.write(lambda tx: tx.runs.delete(run.id))
    assert await state.read(lambda tx: tx.samples.of_run(run.id)) == []
    assert await state.read(lambda tx: tx.shares.get(share.id)) is None


async def test_a_link_is_revoked_once(state: State) -> None:
    run, _ = await a_run(state)
    old, new = (
        Share(records.ordered_id(), run.account_id, run.id, "u", True, False, at, at + 9, 0)
        for at in (1, 2)
    )

    def fill(tx: Transaction) -> list[Share]:
        tx.shares.add(old)
        tx.shares.add(new)
        return tx.shares.of_run(run.id)

    assert await state.write(fill) == [new, old]
    assert await state.write(lambda tx: tx.shares.revoke(old.id, 5))
    assert not await state.write(lambda tx: tx.shares.revoke(old.id, 6))
    assert await state.read(lambda tx: tx.shares.get(old.id)) == replace(old, revoked_at=5)
    assert await state.read(lambda tx: tx.shares.get("nothing")) is None


def test_many_points_can_be_deleted_in_one_statement() -> None:
    assert MAX_POINTS // 2 < 500  # thinning lists them; old SQLite allows 999 parameters
