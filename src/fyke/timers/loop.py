"""Running timers side by side, each at its own pace; a failing one is logged and goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from fyke.kit.backoff import delay

log = structlog.get_logger()

FAILURE_SECONDS = 1.0  # the shortest rest after a bad pass, also of a timer that never rests


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
        await asyncio.sleep(_pause(timer.seconds, failures))


def _pause(seconds: float, failures: int) -> float:
    """A timer without a pause of its own must not fail at full speed and fill the log."""
    if not failures:
        return seconds
    return delay(failures, base=max(seconds, FAILURE_SECONDS), cap=60)
