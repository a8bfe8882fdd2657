"""The reports of several runners share a transaction, and each gets its own orders."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from fyke.domain.nodes.shared_reports import SharedReports
from fyke.domain.runs.attempts import Attempts
from fyke.model.attempt import AttemptReport, SiteTraffic
from fyke.model.browser import BrowserReport
from fyke.model.progress import WorkerProgress
from fyke.model.run import RunLimits
from fyke.model.runner import AttemptUsage, Lease
from support.run_endings import Setup
from support.statements import executed

pytestmark = pytest.mark.anyio
LEASE_MS = 15_000


def report(lease: Lease, *, later: int = 0, **usage: int) -> AttemptReport:
    """Of the holder of this lease, or of one that took it over ``later``."""
    key = replace(lease.attempt.key, token=lease.attempt.token + later)
    progress = WorkerProgress(lease.attempt.ordinal, 9, f"'{lease.attempt.number}")
    return AttemptReport(key, AttemptUsage(**usage), progress=progress)


async def test_each_gets_its_own_orders(setup: Setup) -> None:
    _, [one, two] = await setup.start(2)
    stopped, [three] = await setup.start()
    _, [four] = await setup.start(limits=RunLimits(0.125, 512, 1800, 0, 1_000))
    await setup.abort(stopped)
    asked = [[report(one)], [report(two), report(three)], [report(four, traffic_bytes=2000)], []]
    orders = await setup.attempts.report_all(asked, LEASE_MS)
    assert [{*each.stop} for each in orders] == [
        set(),
        {three.attempt.id},
        {four.attempt.id},
        set(),
    ]
    assert not any(each.lost for each in orders)


async def test_of_two_runners_that_report_an_attempt_one_has_it(setup: Setup) -> None:
    _, [lease] = await setup.start()
    asked = [[report(lease, later=1)], [report(lease)]]
    first, second = await setup.attempts.report_all(asked, LEASE_MS)
    assert first.lost == {lease.attempt.id}
    assert not second.lost


async def test_an_attempt_may_be_reported_twice(setup: Setup) -> None:
    """By a node that has connected again, while its last report waits."""
    _, [lease] = await setup.start()
    sites = (SiteTraffic("a.example", bytes_up=1),)
    reports = [
        replace(report(lease), sites=sites, browser=BrowserReport()),
        replace(report(lease), sites=(), browser=BrowserReport()),
    ]
    for asked in ([[reports[0]], [reports[1]]], [reports]):
        orders = await setup.attempts.report_all(asked, LEASE_MS)
        assert not any(each.lost or each.stop for each in orders)
    assert await setup.storage.write(lambda tx: tx.sites.take(lease.attempt.id)) == ()


async def test_those_that_come_together_share_a_transaction(setup: Setup) -> None:
    _, leases = await setup.start(5)
    attempts = Counted(setup)
    reports = SharedReports(attempts, LEASE_MS)
    orders = await asyncio.gather(*(reports.report([report(lease)]) for lease in leases))
    assert attempts.sizes == [5]
    assert not any(each.lost or each.stop for each in orders)


async def test_the_statements_do_not_grow_with_the_runners(setup: Setup) -> None:
    _, leases = await setup.start(6)
    await setup.attempts.report_all([[report(lease)] for lease in leases], LEASE_MS)
    counts = []
    for asked in ([[report(leases[0])]], [[report(lease)] for lease in leases]):
        with executed() as statements:
            await setup.attempts.report_all(asked, LEASE_MS)
        counts.append(len(statements))
    assert counts[0] == counts[1]
    run_id = leases[0].run.id
    assert await setup.storage.read(lambda tx: tx.progress.parts(run_id)) == pytest.approx(15 / 9)


class Counted(Attempts):
    """Notes how many runners have reported with each call."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup.storage, setup.results, setup.rules)
        self.sizes: list[int] = []

    async def report_all(self, asked, lease_ms):  # type: ignore[no-untyped-def]
        self.sizes.append(len(asked))
        return await super().report_all(asked, lease_ms)
