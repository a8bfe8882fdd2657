"""Admission of large messages, and the limits on the work of one attempt."""

from __future__ import annotations

import asyncio
import time

import pytest

from fyke.sdk import flow
from fyke.sdk.flow import Admission, WorkLimiter

pytestmark = pytest.mark.anyio


def test_large_messages_are_admitted_in_order_and_within_the_limit() -> None:
    admission = Admission(100)
    admitted: list[str] = []

    def request(name: str, size: int, needed: bool = True) -> None:
        def grant() -> bool:
            admitted.append(name)
            return needed

        admission.request(size, grant)

    request("a", 60)
    request("b", 60)
    request("ended", 30, needed=False)
    request("c", 30)
    assert admitted == ["a"]
    admission.release(60)
    assert admitted == ["a", "b", "ended", "c"]
    request("huge", 500)
    admission.release(60)
    assert admitted[-1] == "c"
    admission.release(30)
    assert admitted[-1] == "huge"  # a single message may exceed the limit


async def test_the_next_turn_has_all_units_again() -> None:
    limiter = WorkLimiter(asyncio.get_running_loop())
    limiter.spend(flow.TURN_UNITS + 50)
    assert limiter.units == -50
    await asyncio.sleep(0)
    assert limiter.units == flow.TURN_UNITS


async def test_reading_pauses_while_the_budget_is_exceeded() -> None:
    limiter = WorkLimiter(asyncio.get_running_loop())
    limiter.credit(100)
    assert limiter.pause() == 0
    limiter.charge(flow.BUDGET_BURST + 5)
    assert limiter.is_over_budget
    assert 0 < limiter.pause() <= 1
    limiter.credit(10)
    assert not limiter.is_over_budget
    assert limiter.pause() == 0


def work(limiter: WorkLimiter, seconds: float) -> None:
    """Occupy the loop for a while, as frames and handlers do."""
    assert limiter.begin_work()
    assert not limiter.begin_work()  # work within work is measured once
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass
    limiter.end_work()


async def test_an_attempt_that_is_alone_never_pauses() -> None:
    limiter = WorkLimiter(asyncio.get_running_loop())
    work(limiter, 2 * flow.BURST_SECONDS)
    assert limiter.pause() == 0


async def test_an_attempt_over_its_share_pauses_while_others_are_active() -> None:
    loop = asyncio.get_running_loop()
    greedy, other = WorkLimiter(loop), WorkLimiter(loop)
    work(greedy, 0)
    work(other, 0)
    assert greedy.pause() == 0
    work(greedy, 3 * flow.BURST_SECONDS)
    assert other.pause() == 0
    pause = greedy.pause()
    assert flow.BURST_SECONDS < pause <= 1
    greedy.add_debt(100)
    assert greedy.pause() == 1  # the longest pause
    work(other, 0)
    assert other.pause() == 0


async def test_the_share_does_not_apply_once_the_others_have_ended() -> None:
    loop = asyncio.get_running_loop()
    greedy, other, third = WorkLimiter(loop), WorkLimiter(loop), WorkLimiter(loop)
    work(other, 0)
    work(third, 0)
    work(greedy, 3 * flow.BURST_SECONDS)
    other.close()
    assert greedy.pause() > 0
    third.close()
    assert greedy.pause() == 0
    greedy.close()
    work(other, 3 * flow.BURST_SECONDS)
    assert other.pause() == 0
