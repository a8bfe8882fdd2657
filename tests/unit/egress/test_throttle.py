"""Throttling connections to sites: the rate of one site, and the order of connections."""

from __future__ import annotations

import asyncio
import time

import pytest

from fyke.egress.messages import DivideSites, encode
from fyke.egress.throttle import SiteRate, SiteThrottle, SiteVisit, Throttled, ThrottleRules
from fyke.kit.channel import MAX_MESSAGE
from fyke.model.sites import (
    MAX_OWN_PAUSES,
    MAX_PAUSE_NUMBER,
    MAX_PAUSES,
    MAX_SHARED_SITES,
    USED_SECONDS,
    SitePause,
    SiteShares,
    SiteUse,
)

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


# --- sites that other machines use too --------------------------------------------------------


def test_a_machine_has_a_part_of_the_limits_and_at_least_one_connection() -> None:
    part = RULES.divided(4)
    assert (part.rate, part.connections, part.machines) == (2.5, 1, 4)
    assert (part.share, part.max_pause, part.burst) == (RULES.share, RULES.max_pause, 10)
    assert RULES.divided(1) is RULES and RULES.divided(0) is RULES


async def test_each_site_has_its_own_part_also_what_is_new() -> None:
    throttle = SiteThrottle(ThrottleRules(rate=0.5, connections=100, max_wait=0.01))
    known = await throttle.enter("known", "run")

    async def started(site: str) -> int:
        """How many connections may start before one is refused."""
        for count in range(100):
            try:
                await throttle.enter(site, "run")
            except Throttled as error:
                assert ("machine, one of" in str(error)) is (site != "alone")
                return count
        return 100

    throttle.share(SiteShares(4, {"known": 2, "alone": 1}))
    # a burst of two on one machine; of the known site one connection has started before
    assert [await started(site) for site in ("known", "alone", "new")] == [1, 2, 1]
    throttle.change(ThrottleRules(rate=1e6, connections=8, share=0, max_wait=0.01))
    with pytest.raises(Throttled, match="2 connections to it are open"):
        for _ in range(9):
            await throttle.enter("new", "run")
    throttle.share(SiteShares())
    assert len(await enter(throttle, "new", "run", 6)) == 6
    known.leave()


async def test_the_sites_in_use_are_those_with_recent_open_or_waiting_connections() -> None:
    throttle = SiteThrottle(ThrottleRules())
    assert throttle.use() == SiteUse()
    [visit] = await enter(throttle, "a.example", "run", 1)
    other = await throttle.enter("b.example", "run")
    other.record_status(503)
    other.leave()
    use = throttle.use()
    assert use.sites == ("a.example", "b.example") and not use.more
    [pause] = use.pauses
    assert (pause.site, pause.number, pause.status) == ("b.example", 1, 503)
    assert 0 < pause.seconds <= 1
    visit.leave()
    rate_limit = SiteRate(RULES, 0.0)
    assert not rate_limit.is_used(0.0)
    assert rate_limit.wait(5.0) == 0
    rate_limit.enter("run")
    assert rate_limit.is_used(1000.0)
    rate_limit.leave("run")
    assert rate_limit.is_used(5.0 + USED_SECONDS - 1) and not rate_limit.is_used(5.0 + USED_SECONDS)


async def test_of_many_sites_the_first_are_named() -> None:
    throttle = SiteThrottle(ThrottleRules())
    for number in range(MAX_SHARED_SITES + 1):
        visit = await throttle.enter(f"{number}.example", "run")
        visit.record_status(429)
    use = throttle.use()
    assert use.sites == tuple(f"{number}.example" for number in range(MAX_SHARED_SITES))
    assert use.more and len(use.pauses) == MAX_OWN_PAUSES
    largest = SiteShares(2, {"x" * 250 + str(n): 2 for n in range(MAX_SHARED_SITES)}, tuple(
        SitePause("x" * 250 + str(n), 1 / 3, MAX_PAUSE_NUMBER) for n in range(MAX_PAUSES)
    ))  # fmt: skip
    assert len(encode(DivideSites(2**40, largest))) < MAX_MESSAGE


async def test_a_pause_of_another_machine_stops_what_waits_and_what_is_new() -> None:
    began: list[None] = []
    throttle = SiteThrottle(ThrottleRules(max_wait=0.01), on_pause=lambda: began.append(None))
    visit = await throttle.enter("a.example", "run")
    throttle.share(SiteShares(2, {}, (SitePause("a.example", 20, 4, 503), SitePause("new", 20))))
    for site, status in (("a.example", 503), ("new", 429)):
        with pytest.raises(Throttled, match=f"it answered {status} and is paused for"):
            await throttle.enter(site, "run")
    assert throttle.use().pauses == ()  # it did not begin here
    visit.record_status(429)
    assert began == []  # to an earlier request
    other = await throttle.enter("b.example", "run")
    other.record_status(429)
    assert began == [None]


def test_pauses_of_others_are_no_longer_than_own_ones_and_leave_time_between() -> None:
    """So a machine that lies can slow a site down, and not stop it."""
    rate_limit = SiteRate(RULES, 0.0)  # pauses of at most 8 seconds
    rate_limit.pause_by_others(SitePause("x", 1e9, 20), 100.0)
    assert rate_limit.pause(100.0) == 8
    for now in range(101, 108):
        rate_limit.pause_by_others(SitePause("x", 1e9, 20), float(now))
    assert rate_limit.pause(107.0) == 1
    rate_limit.pause_by_others(SitePause("x", 1e9, 20), 108.0)
    assert rate_limit.pause(108.0) == rate_limit.pause(108.99) == 0
    assert rate_limit.pause(109.0) == 8
    rate_limit.pause_by_others(SitePause("x", 0.5), 117.1)  # it would end before it may begin
    assert rate_limit.pause(117.2) == rate_limit.pause(118.2) == 0
    rate_limit.record_status(429, 120.0)
    assert rate_limit.pause(120.0) == 8  # those of others count for the length
    assert rate_limit.own_pause("x", 120.0) == SitePause("x", 8.0, 20, 429)


def test_others_do_not_pause_sites_where_pauses_are_off() -> None:
    rate_limit = SiteRate(ThrottleRules(max_pause=0), 0.0)
    rate_limit.pause_by_others(SitePause("x", 5.0), 0.0)
    assert rate_limit.pause(0.0) == 0
