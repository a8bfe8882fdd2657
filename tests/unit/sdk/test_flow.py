"""Admission of large messages, and the pace of one attempt."""

from __future__ import annotations

import asyncio
import time

import pytest

from fyke.sdk import flow
from fyke.sdk.flow import Admission, Pace

pytestmark = pytest.mark.anyio


def test_large_messages_are_admitted_in_order_and_within_the_limit() -> None:
    admission, admitted = Admission(100), []

    def want(name: str, size: int, wanted: bool = True) -> None:
        admission.request(size, lambda: admitted.append(name) is None and wanted)

    want("a", 60)
    want("b", 60)
    want("gone", 30, wanted=False)
    want("c", 30)
    assert admitted == ["a"]
    admission.release(60)
    assert admitted == ["a", "b", "gone", "c"]
    want("huge", 500)
    admission.release(60)
    assert admitted[-1] == "c"
    admission.release(30)
    assert admitted[-1] == "huge"  # alone, even what is over the limit gets in


async def test_a_turn_ends_and_the_next_one_comes() -> None:
    pace = Pace(asyncio.get_running_loop())
    pace.spend(flow.TURN_UNITS + 50)
    assert pace.units == -50
    await asyncio.sleep(0)
    assert pace.units == flow.TURN_UNITS


async def test_the_budget_of_useless_frames() -> None:
    pace = Pace(asyncio.get_running_loop())
    pace.useful(100)
    assert pace.pause() == 0
    pace.useless(flow.BUDGET_BURST + 5)
    assert pace.overdrawn
    assert 0 < pace.pause() <= 1
    pace.useful(10)
    assert not pace.overdrawn
    assert pace.pause() == 0


def work(pace: Pace, seconds: float) -> None:
    """Keep the loop for a while, as frames and handlers do."""
    assert pace.begin()
    assert not pace.begin()  # work within work is measured once
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass
    pace.end()


async def test_alone_an_attempt_may_take_all_of_the_time() -> None:
    pace = Pace(asyncio.get_running_loop())
    work(pace, 2 * flow.BURST_SECONDS)
    assert pace.pause() == 0


async def test_among_others_it_pauses_for_what_it_took() -> None:
    loop = asyncio.get_running_loop()
    greedy, other = Pace(loop), Pace(loop)
    work(greedy, 0)
    work(other, 0)
    assert greedy.pause() == 0
    work(greedy, 3 * flow.BURST_SECONDS)
    assert other.pause() == 0
    pause = greedy.pause()
    assert flow.BURST_SECONDS < pause <= 1
    greedy.owe(100)
    assert greedy.pause() == 1  # looked at again after a second
    work(other, 0)
    assert other.pause() == 0
