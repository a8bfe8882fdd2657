"""Browsers of runs: what is held and charged for them, when a run gets none, and what they did."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.domain.runs.browser_reports import BrowserPresence, RunBrowsers, UnblockedLoad
from fyke.domain.runs.outcome import HIDING
from fyke.domain.runs.transitions import Rules
from fyke.errors import InsufficientBalance, StaleLease
from fyke.model.account import Caller
from fyke.model.attempt import AttemptEnd, AttemptReport
from fyke.model.billing import Prices
from fyke.model.browser import (
    MAX_LINES,
    BrowserActivity,
    BrowserBlock,
    BrowserReport,
    ConsoleLevel,
    ConsoleLine,
)
from fyke.model.run import SUCCESS, Run, RunLimits, SpendingBound
from fyke.model.runner import AttemptUsage
from support.run_endings import Setup

pytestmark = pytest.mark.anyio
PRICED = Rules(Prices(cpu_hour=Decimal(3600)), HIDING, 1000, "")  # a dollar a second and core
MINUTE = RunLimits(1, 512, 60, 0, 0)


async def test_a_browser_is_paid_while_it_is_there_and_held_before(setup: Setup) -> None:
    setup.rules = PRICED
    run, leases = await setup.start(2, limits=MINUTE, hold_micros=120_000_000)
    await setup.credit(run, 240_000_000)
    limits = await setup.attempts.reserve_browser(
        leases[0].attempt.key, leases[0].attempt.runner_id, 1.0, 1024
    )
    assert (limits.browser_cpus, limits.browser_memory_mb) == (1.0, 1024)
    reserved = await setup.stored(run)
    assert (reserved.limits, reserved.hold_micros) == (limits, 240_000_000)
    # another attempt of the run has it already, whatever the settings of its runner
    assert (
        await setup.attempts.reserve_browser(
            leases[1].attempt.key, leases[1].attempt.runner_id, 2.0, 4096
        )
        == limits
    )
    assert await setup.stored(run) == reserved
    usage = {"browser_ms": 2000, "browser_cpu_ms": 7, "browser_memory_peak_bytes": 5}
    await setup.end(leases[0], busy_ms=3000, **usage, browser_memory_mb_ms=9)
    await setup.end(leases[1], busy_ms=1000)
    ended = await setup.check_ended_once(run)
    assert (ended.usage_micros, ended.browser_ms) == (6_000_000, 2000)
    [event] = [e for e in await setup.events(run) if e.kind == "BrowserReserved"]
    assert event.detail == "1 CPU and 1024 MB for each attempt; 120 USD more are set aside"
    used = await setup.storage.read(lambda tx: tx.runs.usage(run.id))
    assert (used.browser_ms, used.browser_cpu_ms, used.browser_memory_peak_bytes) == (2000, 7, 5)
    assert used.browser_memory_mb_ms == 9


async def test_a_browser_that_cannot_be_paid_is_refused_and_changes_nothing(setup: Setup) -> None:
    setup.rules = PRICED
    run, [lease] = await setup.start(limits=MINUTE, hold_micros=60_000_000)
    await setup.credit(run, 119_000_000)
    with pytest.raises(InsufficientBalance, match="up to 120 USD and 119 USD are free"):
        await setup.attempts.reserve_browser(lease.attempt.key, lease.attempt.runner_id, 1.0, 1024)
    assert (await setup.stored(run)).limits == MINUTE
    await setup.end(lease, busy_ms=1000)
    assert (await setup.check_ended_once(run)).usage_micros == 1_000_000


async def test_a_cap_on_the_run_holds_no_more_for_a_browser(setup: Setup) -> None:
    setup.rules = PRICED
    limits = replace(MINUTE, max_charge_micros=50_000_000)
    run, [lease] = await setup.start(limits=limits, hold_micros=50_000_000, bound=SpendingBound.RUN)
    await setup.credit(run, 50_000_000)
    await setup.attempts.reserve_browser(lease.attempt.key, lease.attempt.runner_id, 1.0, 1024)
    assert (await setup.stored(run)).hold_micros == 50_000_000
    report = AttemptReport(lease.attempt.key, AttemptUsage(busy_ms=26_000, browser_ms=25_000))
    orders = await setup.attempts.report([report], 15_000)
    assert lease.attempt.id in orders.stop  # 51 USD


async def test_a_run_that_began_without_prices_gets_its_browser_free(setup: Setup) -> None:
    run, [lease] = await setup.start(limits=MINUTE)
    setup.rules = PRICED
    await setup.attempts.reserve_browser(lease.attempt.key, lease.attempt.runner_id, 1.0, 1024)
    await setup.end(lease, busy_ms=1000, browser_ms=1000)
    assert (await setup.check_ended_once(run)).usage_micros == 0


async def test_a_run_that_is_being_stopped_gets_no_browser(setup: Setup) -> None:
    run, [lease] = await setup.start()
    await setup.abort(run)
    with pytest.raises(StaleLease):
        await setup.attempts.reserve_browser(lease.attempt.key, lease.attempt.runner_id, 1.0, 1024)


async def test_the_browser_of_an_attempt_is_reported_and_kept(setup: Setup) -> None:
    run, leases = await setup.start(2)
    usage = AttemptUsage(browser_ms=5, browser_version="chromium 1.2.3.4")
    reports = [
        AttemptReport(leases[0].attempt.key, usage),
        AttemptReport(leases[1].attempt.key, AttemptUsage()),
    ]
    await setup.attempts.report(reports, 15_000)

    async def versions() -> list[str]:
        attempts = await setup.storage.read(lambda tx: tx.runs.attempts(run.id))
        return [attempt.browser_version for attempt in attempts]

    assert await versions() == ["chromium 1.2.3.4", ""]
    expired = await setup.attempts.check_leases()
    assert await setup.attempts.end_expired(leases[0].attempt.id, expired[leases[0].attempt.id])
    assert await versions() == ["chromium 1.2.3.4", ""]


def report(number: int, *, lines: int = 1, is_open: bool = False) -> BrowserReport:
    """A report whose numbers and texts are ``number``."""
    activity = BrowserActivity(
        requests={"image": number},
        received={"image": 100 * number},
        statuses={"2xx": number},
        console={"info": number},
        pages=number,
        crashes=number,
        urls=(f"https://{number}.example/",),
        lines=tuple(
            ConsoleLine(10 * number + n, ConsoleLevel.INFO, f"{number}\u0000") for n in range(lines)
        ),
    )
    return BrowserReport(activity, starts=1, is_open=is_open, own_sandbox=True)


async def test_what_browsers_did_is_summed_over_the_attempts_of_a_run(setup: Setup) -> None:
    run, leases = await setup.start(3)
    browsers = RunBrowsers(setup.storage)
    caller = Caller(run.account_id, "acme", False, "u", "k")
    empty = await browsers.of_run(caller, run.id)
    assert (empty.state, empty.starts, empty.lines) == (BrowserPresence.NONE, 0, ())
    used = AttemptUsage(browser_ms=5, browser_version="headless-shell 1.2.3.4")
    for number in (1, 2):  # the second replaces the first
        reports = [AttemptReport(leases[0].attempt.key, used, browser=report(number, is_open=True))]
        await setup.attempts.report(reports, 15_000)
    during = await browsers.of_run(caller, run.id)
    assert (during.state, during.program, during.number) == (
        BrowserPresence.OPEN, "headless-shell", "1.2.3.4",
    )  # fmt: skip
    assert (during.activity.requests, during.milliseconds) == ({"image": 2}, 5)

    await setup.end(leases[0])  # without a new report: the last one stays
    last = report(3, lines=MAX_LINES)
    await setup.attempts.ended(
        leases[1].attempt.key, AttemptEnd(SUCCESS, used, browser=last), actor="test"
    )
    await setup.end(leases[2])
    after = await browsers.of_run(caller, run.id)
    assert (after.state, after.starts, after.own_sandbox) == (BrowserPresence.ENDED, 2, True)
    assert after.by_type == [("image", 5)]
    assert after.by_status == [("2xx", 5)]
    assert (after.activity.pages, after.activity.crashes) == (5, 5)
    assert after.activity.urls == ("https://2.example/", "https://3.example/")
    assert len(after.lines) == MAX_LINES
    assert {entry.number for entry in after.lines} == {leases[1].attempt.number}


async def test_the_report_of_an_attempt_that_is_lost_counts_for_nothing(setup: Setup) -> None:
    run, [lease] = await setup.start()
    stale = replace(lease.attempt, token=99)
    await setup.attempts.report(
        [AttemptReport(stale.key, AttemptUsage(), browser=report(1))], 15_000
    )
    await setup.attempts.ended(
        stale.key, AttemptEnd(SUCCESS, AttemptUsage(), browser=report(1)), actor="test"
    )
    assert await setup.storage.read(lambda tx: tx.browsers.of_run(run.id)) == {}


async def test_a_browser_of_an_attempt_whose_runner_was_lost_has_ended(setup: Setup) -> None:
    run, [lease] = await setup.start()
    reports = [AttemptReport(lease.attempt.key, AttemptUsage(), browser=report(1, is_open=True))]
    await setup.attempts.report(reports, 15_000)
    leases = await setup.attempts.check_leases()
    assert await setup.attempts.end_expired(lease.attempt.id, leases[lease.attempt.id])
    caller = Caller(run.account_id, "acme", False, "u", "k")
    shown = await RunBrowsers(setup.storage).of_run(caller, run.id)
    assert (shown.state, shown.activity.pages) == (BrowserPresence.ENDED, 1)


async def test_a_run_that_blocks_is_compared_with_the_last_one_that_did_not(setup: Setup) -> None:
    blocking: dict[str, Any] = {"browser_block": (BrowserBlock.IMAGES,)}
    first: list[Run] = []

    async def ended(number: int, **changes: Any) -> Run:
        run, [lease] = await setup.start(like=first[0] if first else None, **changes)
        first.append(run)
        usage = AttemptUsage(browser_ms=5, browser_version="headless-shell 1.2.3.4")
        await setup.attempts.ended(
            lease.attempt.key, AttemptEnd(SUCCESS, usage, browser=report(number)), actor="test"
        )
        return run

    async def compared(run: Run) -> UnblockedLoad | None:
        caller = Caller(run.account_id, "acme", False, "u", "k")
        return (await RunBrowsers(setup.storage).of_run(caller, run.id)).unblocked

    assert await compared(await ended(1, **blocking)) is None
    unblocked = await ended(2)
    assert await compared(unblocked) is None
    await ended(4, version="2.0.0")
    await setup.start(like=unblocked)  # has not ended
    last = await ended(5, **blocking)
    await ended(6)
    assert await compared(last) == UnblockedLoad(unblocked.id, 2, 200)
    fonts = await ended(7, browser_block=(BrowserBlock.FONTS,))
    assert await compared(fonts) is None  # it loaded none
    stored = await setup.storage.read(lambda tx: tx.runs.get(last.id))
    assert stored is not None and stored.browser_block == (BrowserBlock.IMAGES,)
    assert await setup.storage.read(lambda tx: tx.browsers.last_unblocked(last, 1)) == ""


async def test_only_the_texts_of_the_newest_attempts_are_read(setup: Setup) -> None:
    run, leases = await setup.start(3)
    attempts = sorted(lease.attempt.id for lease in leases)

    def work(tx: Transaction) -> tuple[list[str], list[str]]:
        reports = [(one, run.id, report(n + 1)) for n, one in enumerate(attempts[:2])]
        tx.browsers.report([*reports, (attempts[2], run.id, BrowserReport())])
        texts = tx.browsers.texts(run.id, 1), tx.browsers.texts(run.id, 5)
        return [*texts[0]], [*texts[1]]

    assert await setup.storage.write(work) == (attempts[1:2], attempts[:2])
