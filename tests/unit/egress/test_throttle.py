"""Throttling connections to sites: the rate of one site, and the order of connections."""

from __future__ import annotations

import asyncio
import time

import pytest

from fyke.egress.throttle import SiteRate, SiteThrottle, SiteVisit, Throttled, ThrottleRules

pytestmark = pytest.mark.anyio

RULES = ThrottleRules(rate=10, connections=3, share=1, first_pause=1, max_pause=8, max_wait=5)


# --- the rate of one site ---------------------------------------------------------------------


def test_a_burst_starts_at_once_and_the_others_at_the_rate() -> None:
    rate_limit = SiteRate(RULES, 100.0)
    for _ in range(40):
        assert rate_limit.wait(100.0) == 0
        rate_limit.enter("run")
    assert rate_limit.wait(100.0) == pytest.approx(0.1)
    assert rate_limit.wait(100.1) == pytest.approx(0, abs=1e-9)
    rate_limit.enter("run")
    assert rate_limit.wait(100.1) == pytest.approx(0.1)


def test_each_run_has_its_share_regardless_of_the_others() -> None:
    rate_limit = SiteRate(RULES, 0.0)
    for _ in range(3):
        assert rate_limit.has_room("greedy")
        rate_limit.enter("greedy")
    assert not rate_limit.has_room("greedy")
    assert rate_limit.has_room("other")
    rate_limit.enter("other")
    assert not rate_limit.has_room("other")
    for _ in range(2):
        rate_limit.leave("greedy")
    assert rate_limit.has_room("other") and rate_limit.has_room("greedy")


@pytest.mark.parametrize("status", [429, 503])
def test_pauses_double_until_another_status(status: int) -> None:
    rate_limit = SiteRate(RULES, 0.0)
    now = 0.0
    for length in (1, 2, 4, 8, 8):
        rate_limit.record_status(status, now)
        assert rate_limit.pause(now) == rate_limit.wait(now) == length
        rate_limit.record_status(status, now + length / 2)  # to an earlier request: ignored
        rate_limit.record_status(200, now + length / 2)
        assert rate_limit.pause(now + length / 2) == length / 2
        now += length
        assert rate_limit.wait(now) == 0
    rate_limit.record_status(200, now)
    rate_limit.record_status(status, now)
    assert rate_limit.pause(now) == 1


def test_no_pause_follows_another_status_or_a_maximum_of_zero() -> None:
    rate_limit = SiteRate(RULES, 0.0)
    for status in (200, 301, 403, 404, 500, 502, 504):
        rate_limit.record_status(status, 0.0)
    assert rate_limit.pause(0.0) == 0
    without_pauses = SiteRate(ThrottleRules(max_pause=0), 0.0)
    without_pauses.record_status(429, 0.0)
    assert without_pauses.pause(0.0) == 0


def test_a_site_is_idle_without_connections_and_a_while_after_a_pause() -> None:
    rate_limit = SiteRate(RULES, 0.0)
    assert rate_limit.is_idle(0.0)
    rate_limit.enter("run")
    assert not rate_limit.is_idle(100.0)
    rate_limit.leave("run")
    assert rate_limit.is_idle(100.0)
    rate_limit.record_status(429, 100.0)
    assert not rate_limit.is_idle(105.0)  # the length of the next pause is still remembered
    assert rate_limit.is_idle(110.0)


# --- the order of connections -----------------------------------------------------------------


async def enter(throttle: SiteThrottle, site: str, session: str, count: int) -> list[SiteVisit]:
    return [await throttle.enter(site, session) for _ in range(count)]


async def test_a_waiting_connection_is_admitted_when_another_ends_and_runs_take_turns() -> None:
    throttle = SiteThrottle(ThrottleRules(connections=2, share=0, rate=1000))
    first, second = await enter(throttle, "a.example", "run 1", 2)
    order: list[str] = []

    async def wait(session: str) -> None:
        visit = await throttle.enter("a.example", session)
        order.append(session)
        visit.leave()

    waiting = [asyncio.create_task(wait(name)) for name in ("x", "x", "x", "y", "y", "z")]
    await asyncio.sleep(0)
    assert order == []
    (await throttle.enter("b.example", "x")).leave()  # no wait for another site
    second.leave()
    await asyncio.gather(*waiting)
    assert order == ["x", "y", "z", "x", "y", "x"]
    first.leave()
    first.leave()  # does nothing
    assert len(await enter(throttle, "a.example", "run 2", 2)) == 2


async def test_a_connection_that_waits_too_long_is_refused_with_the_reason() -> None:
    rules = ThrottleRules(connections=1, share=0, rate=0.5, max_wait=0.02)
    throttle = SiteThrottle(rules)
    [visit] = await enter(throttle, "a.example", "run", 1)
    with pytest.raises(Throttled, match="1 connections to it are open, of all runs together"):
        await throttle.enter("a.example", "run")
    visit.leave()
    (await throttle.enter("a.example", "run")).leave()
    with pytest.raises(Throttled, match=r"may start 0\.5 connections a second"):
        await throttle.enter("a.example", "run")
    [other] = await enter(throttle, "b.example", "run", 1)
    other.record_status(429)
    other.leave()
    with pytest.raises(
        Throttled, match=r"b\.example is being throttled: it answered 429 and is paused"
    ):
        await throttle.enter("b.example", "run")


async def test_during_a_long_pause_connections_are_refused_at_once() -> None:
    throttle = SiteThrottle(ThrottleRules(first_pause=20, max_wait=10))
    [visit] = await enter(throttle, "a.example", "run", 1)
    visit.record_status(503)
    before = time.monotonic()
    with pytest.raises(Throttled, match="answered 503 and is paused for 20 s more"):
        await throttle.enter("a.example", "run")
    assert time.monotonic() - before < 1


async def test_during_a_short_pause_connections_wait() -> None:
    throttle = SiteThrottle(ThrottleRules(first_pause=0.05))
    [visit] = await enter(throttle, "a.example", "run", 1)
    visit.record_status(429)
    before = time.monotonic()
    await throttle.enter("a.example", "run")
    assert time.monotonic() - before >= 0.045


async def test_a_cancelled_connection_occupies_no_slot() -> None:
    throttle = SiteThrottle(ThrottleRules(connections=1, share=0))
    [visit] = await enter(throttle, "a.example", "run", 1)
    waiting = [asyncio.create_task(throttle.enter("a.example", "run")) for _ in range(3)]
    await asyncio.sleep(0)
    for task in waiting[:2]:
        task.cancel()
    await asyncio.gather(*waiting[:2], return_exceptions=True)
    visit.leave()
    waiting[2].cancel()  # it is admitted already, but its task has not resumed
    await asyncio.gather(waiting[2], return_exceptions=True)
    assert waiting[2].cancelled()
    async with asyncio.timeout(5):
        await throttle.enter("a.example", "run")


async def test_other_limits_hold_at_once_also_for_what_waits() -> None:
    throttle = SiteThrottle(ThrottleRules(connections=1, share=0))
    first = await throttle.enter("a", "run")
    waiting = asyncio.create_task(throttle.enter("a", "run"))
    await asyncio.sleep(0)
    assert not waiting.done()
    throttle.change(ThrottleRules(connections=2, share=0))
    second = await waiting
    throttle.change(ThrottleRules(rate=0.001, connections=9, max_wait=0.01))
    with pytest.raises(Throttled, match=r"may start 0\.001"):
        for _ in range(3):
            await throttle.enter("a", "run")
    first.leave()
    second.leave()


async def test_idle_sites_are_removed() -> None:
    throttle = SiteThrottle(ThrottleRules(rate=1e9))
    visit = await throttle.enter("open.example", "run")
    for number in range(5000):
        (await throttle.enter(f"{number}.example", "run")).leave()
    assert len(throttle) <= 2048
    visit.leave()
