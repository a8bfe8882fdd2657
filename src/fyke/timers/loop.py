"""Runs timers concurrently, each at its own interval; a failure is logged and the timer
continues."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from fyke.errors import BlobsAway
from fyke.kit.backoff import delay
from fyke.kit.clock import Clock, SystemClock
from fyke.model.installation import TimerLine
from fyke.telemetry.logging import redact

log = structlog.get_logger()

MAX_REASON_CHARS = 200
_WORD = re.compile(r"[A-Z][a-z0-9]*")
FAILURE_SECONDS = 1.0  # the shortest pause after a failed pass


class Timer(Protocol):
    """A task that is repeated."""

    seconds: float  # pause between two passes

    async def tick(self) -> None: ...


class TimerBoard:
    """The state of each timer of this process, for the operator."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lines: dict[str, TimerLine] = {}

    def lines(self) -> list[TimerLine]:
        """The timers, sorted by name."""
        return sorted(self._lines.values(), key=lambda line: line.name)

    def began(self, name: str) -> None:
        line = self._lines.get(name, TimerLine(name, 0, 0, 0, 0, ""))
        self._lines[name] = replace(line, busy_since=self._clock.now_ms())

    def done(self, name: str) -> None:
        now = self._clock.now_ms()
        self._lines[name] = replace(
            self._lines[name], busy_since=0, done_at=now, failures=0, error=""
        )

    def failed(self, name: str, error: Exception) -> None:
        line = self._lines[name]
        self._lines[name] = replace(
            line,
            busy_since=0,
            failed_at=self._clock.now_ms(),
            failures=line.failures + 1,
            error=_reason(error),
        )


def _reason(error: Exception) -> str:
    """The first line of an error; secrets that a driver has put into it are masked."""
    first = (str(error).splitlines() or [""])[0]
    return redact(first[:MAX_REASON_CHARS]) or type(error).__name__


async def run_timers(timers: Sequence[Timer], board: TimerBoard | None = None) -> None:
    """Run every timer until cancelled; ``board`` records their state."""
    board = board or TimerBoard()
    async with asyncio.TaskGroup() as group:
        for timer in timers:
            group.create_task(_repeat(timer, board))


async def _repeat(timer: Timer, board: TimerBoard) -> None:
    name, failures = _name(timer), 0
    while True:
        board.began(name)
        try:
            await timer.tick()
            failures = 0
            board.done(name)
        except Exception as error:
            # A failed pass, for example without a database, must not end the timer.
            failures += 1
            board.failed(name, error)
            if isinstance(error, BlobsAway):  # an outage, of which a traceback says nothing
                log.warning("timer_failed", timer=type(timer).__name__, error=str(error))
            else:
                log.exception("timer_failed", timer=type(timer).__name__)
        await asyncio.sleep(_pause(timer.seconds, failures))


def _name(timer: Timer) -> str:
    """``callback host`` for a ``CallbackHostTimer``."""
    words = _WORD.findall(type(timer).__name__.removesuffix("Timer"))
    return " ".join(words).lower()


def _pause(seconds: float, failures: int) -> float:
    """The pause grows with the failures, so that a failing timer does not fill the log."""
    if not failures:
        return seconds
    return delay(failures, base=max(seconds, FAILURE_SECONDS), cap=60)
