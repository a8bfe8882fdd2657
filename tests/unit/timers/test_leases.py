"""Attempts of lost runners end; a gap of the timer, an outage and a clock step end none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from fyke.domain.runs.attempts import Attempts
from fyke.domain.runs.outcome import HIDING
from fyke.domain.runs.transitions import Rules
from fyke.errors import Unavailable
from fyke.kit.clock import ManualClock
from fyke.model.attempt import AttemptEnd, AttemptReport
from fyke.model.billing import Prices
from fyke.model.results import AttemptBatch, PushedRow
from fyke.model.run import SUCCESS, AttemptKey, Outcome, Run, RunState
from fyke.model.runner import AttemptUsage, Lease
from fyke.timers import leases
from fyke.timers.leases import PASS_SECONDS, LeaseTimer
from support.stores import Stores, open_stores

pytestmark = pytest.mark.anyio
TERM = 15.0


class Platform:
    """A runner that reports, and the timer of a server; the test controls their time."""

    def __init__(self, stores: Stores) -> None:
        self.stores, self.clock = stores, ManualClock()
        self.attempts = Attempts(stores.storage, stores.results, Rules(Prices(), HIDING, 1000, ""))
        self.timer = LeaseTimer(self.attempts, TERM, self.clock)
        self.leases: list[Lease] = []

    async def start(self, parts: int = 2) -> Run:
        run = await self.stores.run(parts)
        self.leases = await self.stores.lease()
        for lease in self.leases:
            await self.attempts.started(lease.attempt.key, lease.attempt.runner_id)
        return run

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.stores.clock.advance(seconds)

    async def report(self) -> None:
        reports = [AttemptReport(lease.attempt.key, AttemptUsage()) for lease in self.leases]
        await self.attempts.report(reports, int(TERM * 1000))

    async def go_on(self, seconds: float, *, reports: bool = True, looks: bool = True) -> None:
        for _ in range(int(seconds / PASS_SECONDS)):
            self.wait(PASS_SECONDS)
            if reports:
                await self.report()
            if looks:
                await self.timer.tick()

    async def active(self) -> int:
        return len(await self.attempts.check_leases())


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[Platform]:
    async with open_stores(tmp_path) as stores:
        yield Platform(stores)


async def test_a_runner_that_is_silent_for_a_term_has_lost_its_attempts(platform: Platform) -> None:
    run = await platform.start()
    await platform.go_on(60)
    assert await platform.active() == 2
    await platform.go_on(TERM - 3, reports=False)
    assert await platform.active() == 2
    await platform.go_on(6, reports=False)
    stored = await platform.stores.stored(run)
    assert (stored.state, stored.outcome) == (RunState.FAILED, Outcome.RUNNER_LOST)


async def test_a_locked_attempt_delays_neither_the_others_nor_the_next_check(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    await platform.start(3)
    monkeypatch.setattr(leases, "END_SECONDS", 0.2)
    released, tries = asyncio.Event(), list[str]()
    stuck, end = platform.leases[0].attempt.id, platform.attempts.ended

    async def ended(key: AttemptKey, *arguments: Any, **named: Any) -> Run | None:
        tries.append(key.id)
        if key.id == stuck:
            await released.wait()
        return await end(key, *arguments, **named)

    monkeypatch.setattr(platform.attempts, "ended", ended)
    await platform.go_on(TERM + 4, reports=False)
    assert list(await platform.attempts.check_leases()) == [stuck]
    await platform.go_on(10, reports=False)
    assert tries.count(stuck) == 1
    released.set()
    async with asyncio.timeout(10):
        while await platform.active():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("error", [Unavailable("away"), ValueError("unforeseen")])
async def test_an_end_that_fails_is_tried_again_after_one_more_term(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    await platform.start(3)
    failing, end = [lease.attempt.id for lease in platform.leases[:2]], Attempts.end_expired

    async def end_expired(self: Attempts, attempt_id: str, lease_until: int) -> bool:
        if attempt_id in failing:
            failing.remove(attempt_id)
            raise error
        return await end(self, attempt_id, lease_until)

    await platform.go_on(TERM + 1, reports=False)
    monkeypatch.setattr(Attempts, "end_expired", end_expired)
    await platform.go_on(PASS_SECONDS, reports=False)
    assert (failing, await platform.active()) == ([], 2)
    await platform.go_on(TERM - 1, reports=False)
    assert await platform.active() == 2
    await platform.go_on(2 * PASS_SECONDS, reports=False)
    assert await platform.active() == 0


@pytest.mark.parametrize(
    "gap",
    [
        lambda p: p.wait(3600),  # everything is stopped, and the monotonic clock runs on
        lambda p: p.stores.clock.step(3600),  # suspended, or the clock is set forward
        lambda p: p.stores.clock.step(-3600),
    ],
)
async def test_a_pause_or_a_step_of_the_clock_ends_no_attempt(
    platform: Platform, gap: Callable[[Platform], None]
) -> None:
    await platform.start()
    await platform.go_on(30)
    gap(platform)
    await platform.timer.tick()  # before the first report of the runner
    assert await platform.active() == 2
    await platform.go_on(60)
    assert await platform.active() == 2
    await platform.go_on(TERM + 4, reports=False)  # the lease of a lost runner expires as before
    assert await platform.active() == 0


@pytest.mark.parametrize("calls", [("read", "write"), ("write",)])  # ("write",): a full disk
async def test_an_outage_of_the_database_ends_no_attempt(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, calls: tuple[str, ...]
) -> None:
    await platform.start()
    await platform.go_on(30)

    async def away(_work: object) -> None:
        raise Unavailable("away")

    with monkeypatch.context() as outage:
        for call in calls:
            outage.setattr(platform.stores.storage, call, away)
        for _ in range(30):
            platform.wait(PASS_SECONDS)
            with pytest.raises(Unavailable):
                await platform.timer.tick()
    await platform.go_on(TERM - 3, reports=False)  # one more term to report in
    assert await platform.active() == 2
    await platform.go_on(60)
    assert await platform.active() == 2


async def test_a_single_failed_write_starts_a_full_new_term(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    await platform.start()
    await platform.go_on(TERM - 1, reports=False)

    async def full(_work: object) -> None:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as outage:
        outage.setattr(platform.stores.storage, "write", full)
        platform.wait(PASS_SECONDS)
        with pytest.raises(Unavailable):
            await platform.timer.tick()
    await platform.go_on(TERM - 1, reports=False)
    assert await platform.active() == 2
    await platform.go_on(2 * PASS_SECONDS, reports=False)
    assert await platform.active() == 0


async def test_a_disk_that_is_full_when_a_lease_expires_leaves_the_attempt_usable(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await platform.start(1)
    [lease] = platform.leases
    write, results = platform.stores.storage.write, platform.stores.results
    await results.open_attempt(run.id, lease.attempt.id)
    passes = 0

    async def full(work: Callable[[Any], Any]) -> Any:
        """Only the write with which a pass begins succeeds."""
        nonlocal passes
        passes += 1
        if passes > 1:
            raise Unavailable("the disk is full")
        return await write(work)

    await platform.go_on(TERM + 1, reports=False)
    with monkeypatch.context() as outage:
        outage.setattr(platform.stores.storage, "write", full)
        platform.wait(PASS_SECONDS)
        await platform.timer.tick()
    assert passes == 2
    batch = AttemptBatch(run.id, lease.attempt.id, [PushedRow(b"{}")])
    assert await results.commit([batch]) == [True]
    await platform.go_on(60)
    assert await platform.attempts.ended(
        lease.attempt.key, AttemptEnd(SUCCESS, AttemptUsage()), actor="test"
    )
    assert (await platform.stores.stored(run)).state is RunState.SUCCEEDED
