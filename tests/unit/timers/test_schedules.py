from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fyke.contracts.signals import SCHEDULES
from fyke.domain.schedules.firing import RemainingFires
from fyke.kit.clock import ManualClock
from fyke.timers.schedules import ScheduleTimer
from fyke.timers.signals import MAX_SLEEP, TIDY_SECONDS

pytestmark = pytest.mark.anyio


class ScriptEnded(Exception):
    """The script is over."""


class Firing:
    """Says how long to rest, one answer after the other."""

    def __init__(self, clock: ManualClock, *rests: RemainingFires) -> None:
        self.clock = clock
        self.rests = list(rests)
        self.done: list[str] = []

    async def process_pending(self) -> RemainingFires:
        self.done.append("work")
        if not self.rests:
            raise ScriptEnded
        return self.rests.pop(0)

    async def remove_old(self) -> None:
        self.done.append("tidy")


class LocalSignals:
    """Notes what is waited for; the clock goes on by as much."""

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


async def run(*rests: RemainingFires) -> tuple[Firing, LocalSignals]:
    clock = ManualClock()
    firing, signals = Firing(clock, *rests), LocalSignals(clock)
    timer = ScheduleTimer(firing, signals, clock)  # type: ignore[arg-type]
    with pytest.raises(ScriptEnded):
        await timer.tick()
    return firing, signals


async def test_it_sleeps_until_the_next_time_and_never_for_long() -> None:
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


async def test_it_tidies_at_once_and_then_every_hour() -> None:
    passes = int(TIDY_SECONDS / MAX_SLEEP)
    firing, _ = await run(*[RemainingFires(None, frozenset())] * (passes + 1))
    assert firing.done.count("tidy") == 2 and firing.done[:2] == ["work", "tidy"]
