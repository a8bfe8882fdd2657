"""Failing timers, the board of timers, and their names."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from fyke.errors import BlobsAway
from fyke.kit.clock import ManualClock
from fyke.model.installation import TimerLine
from fyke.timers import loop
from fyke.timers.loop import TimerBoard, run_timers

pytestmark = pytest.mark.anyio


class Broken:
    """Has no pause, like the timer of callbacks, and never succeeds."""

    seconds = 0.0

    def __init__(self) -> None:
        self.ticks = 0

    async def tick(self) -> None:
        self.ticks += 1
        raise OSError("the database is away")


@pytest.mark.slow
async def test_a_failing_timer_without_a_pause_waits() -> None:
    timer = Broken()
    running = asyncio.create_task(run_timers([timer]))
    await asyncio.wait({running}, timeout=0.3)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert timer.ticks == 1


class Away:
    """Has no blobs; the second pass does not end."""

    seconds = 0.0

    def __init__(self, error: Exception) -> None:
        self.error: Exception | None = error
        self.failed = asyncio.Event()

    async def tick(self) -> None:
        if self.error is None:
            self.failed.set()
            await asyncio.Event().wait()
        error, self.error = self.error, None
        assert error is not None
        raise error


@pytest.mark.parametrize("error", [BlobsAway("no answer"), OSError("no answer")])
async def test_only_an_outage_of_blobs_has_no_traceback(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(loop, "FAILURE_SECONDS", 0.0)
    timer = Away(error)
    with capture_logs() as lines:
        running = asyncio.create_task(run_timers([timer]))
        await timer.failed.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    [line] = lines
    assert ("exc_info" in line) == isinstance(error, OSError)
    assert line["log_level"] == ("error" if "exc_info" in line else "warning")


class FailsOnce:
    """Fails once."""

    seconds = 0.0

    def __init__(self) -> None:
        self.ticks = 0

    async def tick(self) -> None:
        self.ticks += 1
        if self.ticks == 1:
            raise OSError("postgresql://fyke:secret@db is away\nand more")
        if self.ticks == 3:
            await asyncio.Event().wait()


async def test_the_board_shows_the_state_of_each_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock(1000)
    board, timer = TimerBoard(clock), FailsOnce()
    seen: list[TimerLine] = []
    sleep = asyncio.sleep

    async def quick(seconds: float) -> None:
        seen.extend(board.lines())
        clock.advance(1)
        await sleep(0)

    monkeypatch.setattr(loop.asyncio, "sleep", quick)
    running = asyncio.create_task(run_timers([timer], board))
    async with asyncio.timeout(10):
        while timer.ticks < 3:
            await sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    error = "postgresql://fyke:***@db is away"
    assert seen == [
        TimerLine("fails once", 0, 0, 1000, 1, error),
        TimerLine("fails once", 0, 2000, 1000, 0, ""),
    ]
    [last] = board.lines()
    assert (last.busy_since, last.done_at) == (3000, 2000)


def test_names_of_timers() -> None:
    class CallbackHostTimer(Broken):
        pass

    assert loop._name(CallbackHostTimer()) == "callback host"
