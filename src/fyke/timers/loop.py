"""Running timers side by side, each at its own pace; a failing one is logged and goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from fyke.kit.backoff import delay

log = structlog.get_logger()


class Timer(Protocol):
    """Something that is done again and again."""

    seconds: float  # pause between two passes

    async def tick(self) -> None: ...


async def run_timers(timers: Sequence[Timer]) -> None:
    """Run every timer until cancelled."""
    async with asyncio.TaskGroup() as group:
        for timer in timers:
            group.create_task(_repeat(timer))


async def _repeat(timer: Timer) -> None:
    failures = 0
    while True:
        try:
            await timer.tick()
            failures = 0
        except Exception:
            # One bad pass (a database that is away, say) must not end the timer for good.
            failures += 1
            log.exception("timer_failed", timer=type(timer).__name__)
        pause = timer.seconds if not failures else delay(failures, base=timer.seconds, cap=60)
        await asyncio.sleep(pause)
