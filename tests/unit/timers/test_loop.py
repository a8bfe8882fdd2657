"""Timers that fail rest before they try again."""

from __future__ import annotations

import asyncio

import pytest

from fyke.timers.loop import run_timers

pytestmark = pytest.mark.anyio


class Broken:
    """Never rests by itself, as the timer of callbacks, and never succeeds."""

    seconds = 0.0

    def __init__(self) -> None:
        self.ticks = 0

    async def tick(self) -> None:
        self.ticks += 1
        raise OSError("the database is away")


async def test_a_timer_without_a_pause_does_not_fail_at_full_speed() -> None:
    timer = Broken()
    running = asyncio.create_task(run_timers([timer]))
    await asyncio.wait({running}, timeout=0.3)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert timer.ticks == 1
