"""Throttling connections to sites: the state of one, and which connection waits for which."""

from __future__ import annotations

import asyncio
import time

import pytest

from fyke.egress.throttle import SiteRate, SiteThrottle, SiteVisit, Throttled, ThrottleRules

pytestmark = pytest.mark.anyio

RULES = ThrottleRules(rate=10, connections=3, share=1, first_pause=1, max_pause=8, patience=5)


# --- the account ------------------------------------------------------------------------------


def test_a_burst_goes_at_once_and_the_rest_at_the_rate() -> None:
    pace = SiteRate(RULES, 100.0)
    for _ in range(40):
        assert pace.wait(100.0) == 0
        pace.enter("run")
    assert pace.wait(100.0) == pytest.approx(0.1)
    assert pace.wait(100.1) == pytest.approx(0, abs=1e-9)
    pace.enter("run")
    assert pace.wait(100.1) == pytest.approx(0.1)


def test_each_run_has_its_share_whatever_the_others_have() -> None:
    pace = SiteRate(RULES, 0.0)
    for _ in range(3):
        assert pace.has_room("greedy")
        pace.enter("greedy")
    assert not pace.has_room("greedy")
    assert pace.has_room("other")
    pace.enter("other")
    assert not pace.has_room("other")
    for _ in range(2):
        pace.leave("greedy")
    assert pace.has_room("other") and pace.has_room("greedy")


@pytest.mark.parametrize("status", [429, 503])
def test_pauses_double_until_the_site_answers_well(status: int) -> None:
    pace = SiteRate(RULES, 0.0)
    now = 0.0
    for length in (1, 2, 4, 8, 8):
        pace.answered(status, now)
        assert pace.pause(now) == pace.wait(now) == length
        pace.answered(status, now + length / 2)  # of the same volley: changes nothing
        pace.answered(200, now + length / 2)
        assert pace.pause(now + length / 2) == length / 2
        now += length
        assert pace.wait(now) == 0
    pace.answered(200, now)
    pace.answered(status, now)
    assert pace.pause(now) == 1


def test_other_answers_pause_nothing_and_neither_does_any_without_a_longest_pause() -> None:
    pace = SiteRate(RULES, 0.0)
    for status in (200, 301, 403, 404, 500, 502, 504):
        pace.answered(status, 0.0)
    assert pace.pause(0.0) == 0
    careless = SiteRate(ThrottleRules(max_pause=0), 0.0)
    careless.answered(429, 0.0)
    assert careless.pause(0.0) == 0


def test_at_rest_is_what_may_be_forgotten() -> None:
    pace = SiteRate(RULES, 0.0)
    assert pace.at_rest(0.0)
    pace.enter("run")
    assert not pace.at_rest(100.0)
    pace.leave("run")
    assert pace.at_rest(100.0)
    pace.answered(429, 100.0)
    assert not pace.at_rest(105.0)  # it still knows how long the next pause is to be
    assert pace.at_rest(110.0)


# --- who waits --------------------------------------------------------------------------------


async def entered(throttle: SiteThrottle, site: str, session: str, count: int) -> list[SiteVisit]:
    return [await throttle.enter(site, session) for _ in range(count)]


async def test_a_waiting_connection_is_admitted_when_another_ends_and_runs_take_turns() -> None:
    throttle = SiteThrottle(ThrottleRules(connections=2, share=0, rate=1000))
    first, second = await entered(throttle, "a.example", "run 1", 2)
    order: list[str] = []

    async def wait(session: str) -> None:
        visit = await throttle.enter("a.example", session)
        order.append(session)
        visit.leave()

    waiting = [asyncio.create_task(wait(name)) for name in ("x", "x", "x", "y", "y", "z")]
    await asyncio.sleep(0)
    assert order == []
    (await throttle.enter("b.example", "x")).leave()  # another site does not wait
    second.leave()
    await asyncio.gather(*waiting)
    assert order == ["x", "y", "z", "x", "y", "x"]
    first.leave()
    first.leave()  # again does nothing
    assert len(await entered(throttle, "a.example", "run 2", 2)) == 2


async def test_waiting_in_vain_is_refused_with_the_reason() -> None:
    rules = ThrottleRules(connections=1, share=0, rate=0.5, patience=0.02)
    throttle = SiteThrottle(rules)
    [visit] = await entered(throttle, "a.example", "run", 1)
    with pytest.raises(Throttled, match="1 connections to it are open, of all runs together"):
        await throttle.enter("a.example", "run")
    visit.leave()
    (await throttle.enter("a.example", "run")).leave()
    with pytest.raises(Throttled, match=r"start 0\.5 connections a second"):
        await throttle.enter("a.example", "run")
    [other] = await entered(throttle, "b.example", "run", 1)
    other.answered(429)
    other.leave()
    with pytest.raises(
        Throttled, match=r"b\.example is being throttled: it answered 429 and is paused"
    ):
        await throttle.enter("b.example", "run")


async def test_a_long_pause_is_said_at_once() -> None:
    throttle = SiteThrottle(ThrottleRules(first_pause=20, patience=10))
    [visit] = await entered(throttle, "a.example", "run", 1)
    visit.answered(503)
    before = time.monotonic()
    with pytest.raises(Throttled, match="answered 503 and is paused for 20 s more"):
        await throttle.enter("a.example", "run")
    assert time.monotonic() - before < 1


async def test_a_short_pause_is_waited_for() -> None:
    throttle = SiteThrottle(ThrottleRules(first_pause=0.05))
    [visit] = await entered(throttle, "a.example", "run", 1)
    visit.answered(429)
    before = time.monotonic()
    await throttle.enter("a.example", "run")
    assert time.monotonic() - before >= 0.045


async def test_a_caller_that_gives_up_takes_no_slot() -> None:
    throttle = SiteThrottle(ThrottleRules(connections=1, share=0))
    [visit] = await entered(throttle, "a.example", "run", 1)
    gone = [asyncio.create_task(throttle.enter("a.example", "run")) for _ in range(3)]
    await asyncio.sleep(0)
    for task in gone[:2]:
        task.cancel()
    await asyncio.gather(*gone[:2], return_exceptions=True)
    visit.leave()
    gone[2].cancel()  # its turn has come already, but it does not know yet
    await asyncio.gather(gone[2], return_exceptions=True)
    assert gone[2].cancelled()
    async with asyncio.timeout(5):
        await throttle.enter("a.example", "run")


async def test_sites_at_rest_are_forgotten() -> None:
    throttle = SiteThrottle(ThrottleRules(rate=1e9))
    kept = await throttle.enter("kept.example", "run")
    for number in range(5000):
        (await throttle.enter(f"{number}.example", "run")).leave()
    assert len(throttle) <= 2048
    kept.leave()
