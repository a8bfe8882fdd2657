"""One browser of an attempt, by itself; ``test_browser`` has it among the others."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from fyke.contracts.browser import (
    BrowserEndCause,
    BrowserInfo,
    BrowserLimits,
    BrowserProgram,
    BrowserUsage,
)
from fyke.contracts.execution import SandboxFault
from fyke.model.log import LogType
from fyke.model.run import RunLimits
from fyke.reasons import Reason, ReasonCode
from fyke.runner.browser_generation import BrowserGeneration, BrowserTotals, discard, limits_of
from fyke.runner.metering import MemoryMeter, Stopwatch

MIB = 2**20


@dataclass
class StubBrowser:
    last_words: str = ""
    control: socket.socket = field(default_factory=socket.socket)
    closed: int = 0
    refuses: bool = False

    async def close(self) -> None:
        self.closed += 1
        if self.refuses:
            raise SandboxFault("it stays")


def generation(**members: Any) -> BrowserGeneration:
    now = time.monotonic()
    return BrowserGeneration(
        number=1,
        browser=members.pop("browser", None) or cast("Any", StubBrowser()),
        limits=BrowserLimits(1.0, 512 * MIB),
        info=BrowserInfo(BrowserProgram.CHROMIUM, "156.0.1.2"),
        watch=Stopwatch(now),
        memory=MemoryMeter(now),
        **members,
    )


def test_totals_add_up_and_only_one_that_runs_takes_memory() -> None:
    before = BrowserTotals(1000, 20, 90, 5, "chromium 1.0.0.0", 7)
    running = generation(usage=BrowserUsage(cpu_ms=3, memory=40, memory_peak=60))
    retired = generation(usage=BrowserUsage(cpu_ms=3, memory=40, memory_peak=100), retired=True)
    totals = running.added_to(before)
    assert totals.milliseconds >= 1000
    assert (totals.cpu_ms, totals.memory_peak, totals.memory) == (23, 90, 47)
    assert totals.version.endswith(" 156.0.1.2")
    assert retired.added_to(before).memory_peak == 100
    assert retired.added_to(before).memory == 7


def test_a_reading_out_of_memory_is_noted_once_and_is_the_reason() -> None:
    notes: list[tuple[LogType, str]] = []
    one = generation()

    def read(usage: BrowserUsage) -> Reason | None:
        return one.measured_as(usage, lambda kind, text: notes.append((kind, text)))

    assert read(BrowserUsage(memory=5)) is None
    of_memory = Reason.of(ReasonCode.BROWSER_OUT_OF_MEMORY, memory_mb=512)
    assert [read(BrowserUsage(ooms=1)), read(BrowserUsage(ooms=2))] == [of_memory, None]
    assert read(BrowserUsage(tmp_bytes=200 * MIB)) is None
    read(BrowserUsage(tmp_bytes=220 * MIB))
    assert [kind for kind, _ in notes] == [LogType.WARN, LogType.WARN]
    assert "a page has crashed" in notes[0][1]
    assert "take 200 MB, of at most 256 MB" in notes[1][1]


@pytest.mark.parametrize(
    ("words", "line"),
    [("", "The browser did not start."), ("no room", "The browser did not start: no room")],
)
def test_an_end_without_memory_trouble_is_a_warning_and_no_reason(words: str, line: str) -> None:
    notes: list[tuple[LogType, str]] = []
    one = generation(fault=(BrowserEndCause.NOT_STARTED, words))
    assert one.explain_fault(lambda kind, text: notes.append((kind, text))) is None
    assert notes == [(LogType.WARN, line)]
    assert generation().explain_fault(lambda *_: pytest.fail("nothing has failed")) is None


def test_only_the_end_of_a_long_output_is_shown() -> None:
    browser = cast("Any", StubBrowser("first " + "x" * 600 + " last\n"))
    words = generation(browser=browser).last_words
    assert len(words) == 500
    assert words.endswith(" last")


def test_a_run_has_the_limits_that_it_was_granted_and_the_others_of_the_machine() -> None:
    own = BrowserLimits(4.0, 4096 * MIB, processes=77)
    granted = RunLimits(0.5, 256, 60, 0, 0, browser_cpus=0.25, browser_memory_mb=300)
    assert limits_of(granted, own) == BrowserLimits(0.25, 300 * MIB, processes=77)


@pytest.mark.parametrize("refuses", [False, True])
async def test_a_sandbox_that_came_too_late_is_removed(refuses: bool) -> None:
    browser = StubBrowser(refuses=refuses)

    async def opening() -> Any:
        return browser

    await discard(asyncio.create_task(opening()))
    assert browser.closed == 1
    assert browser.control.fileno() == -1


async def test_one_that_was_never_opened_is_forgotten() -> None:
    async def opening() -> Any:
        raise SandboxFault("no")

    task = asyncio.create_task(opening())
    await discard(task)
    assert isinstance(task.exception(), SandboxFault)
