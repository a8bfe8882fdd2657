from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fyke.contracts.signals import SCHEDULES
from fyke.domain.schedules.firing import RemainingFires
from fyke.kit.clock import ManualClock
from fyke.timers.schedules import ScheduleTimer
from fyke.timers.signals import CLEANUP_SECONDS, MAX_SLEEP

pytestmark = pytest.mark.anyio


class ScriptEnded(Exception):
    """No answers are left."""


class Firing:
    """Returns the given answers in turn."""

    def __init__(self, clock: ManualClock, *answers: RemainingFires) -> None:
        self.clock = clock
        self.answers = list(answers)
        self.done: list[str] = []

    async def process_pending(self) -> RemainingFires:
        self.done.append("process_pending")
        if not self.answers:
            raise ScriptEnded
        return self.answers.pop(0)

    async def remove_old(self) -> None:
        self.done.append("remove_old")


class LocalSignals:
    """Records the waits, during which the clock advances."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.waits: list[tuple[frozenset[str], float]] = []

    @asynccontextmanager
    async def listen(self) -> Any:
        yield self

    async def wait(self, topics: frozenset[str], timeout: float) -> None:
        self.waits.append((topics, timeout))
        self.clock.advance(timeout)
        await asyncio.sleep(0)


async def run(*answers: RemainingFires) -> tuple[Firing, LocalSignals]:
    clock = ManualClock()
    firing, signals = Firing(clock, *answers), LocalSignals(clock)
    timer = ScheduleTimer(firing, signals, clock)  # type: ignore[arg-type]
    with pytest.raises(ScriptEnded):
        await timer.tick()
    return firing, signals


async def test_the_timer_sleeps_until_the_next_time_at_most_max_sleep() -> None:
    _, signals = await run(
        RemainingFires(1.5, frozenset()),
        RemainingFires(3600, frozenset()),
        RemainingFires(None, frozenset({"run:a"})),
    )
    assert signals.waits == [
        (frozenset({SCHEDULES}), 1.5),
        (frozenset({SCHEDULES}), MAX_SLEEP),
        (frozenset({SCHEDULES, "run:a"}), MAX_SLEEP),
    ]


async def test_the_timer_cleans_up_at_once_and_then_hourly() -> None:
    passes = int(CLEANUP_SECONDS / MAX_SLEEP)
    firing, _ = await run(*[RemainingFires(None, frozenset())] * (passes + 1))
    assert firing.done.count("remove_old") == 2 and firing.done[:2] == [
        "process_pending",
        "remove_old",
    ]
