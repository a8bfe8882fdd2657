"""How many browsers wait, who gets them, and when they are started and closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from fyke.contracts.browser import (
    BrowserInfo,
    BrowserLimits,
    BrowserProgram,
    BrowserSpec,
    BrowserUsage,
)
from fyke.contracts.execution import IdleSandboxes, SandboxFault
from fyke.sandbox import warm_browsers
from fyke.sandbox.warm_browsers import FREE_MB, STARTING_MB, WarmBrowsers

pytestmark = pytest.mark.anyio

LIMITS = BrowserLimits(1.0, 2**30)
SHELL = BrowserProgram.HEADLESS_SHELL
SPEC = BrowserSpec("A-B1", LIMITS, program=SHELL)


class Box:
    """A browser sandbox that records its end."""

    def __init__(self, spec: BrowserSpec) -> None:
        self.spec = spec
        self.is_alive = True
        self.ooms = 0
        self.fault = ""
        self.closed = False
        self.may_close = asyncio.Event()
        self.may_close.set()
        self.on_close: Callable[[], None] = lambda: None

    async def usage(self) -> BrowserUsage:
        if self.fault:
            raise SandboxFault(self.fault)
        return BrowserUsage(memory=100 * 2**20, ooms=self.ooms)

    async def close(self) -> None:
        await self.may_close.wait()
        self.closed = True
        self.on_close()


class Cold:
    """``BrowserSandboxes`` without processes, on a machine with ``free_mb`` of memory."""

    def __init__(self) -> None:
        self.opened: list[Box] = []
        self.faults: list[SandboxFault] = []  # of the next calls of ``open``
        self.free_mb = FREE_MB + STARTING_MB
        self.waiting_mb = 0  # what each that waits takes of it

    def info(self) -> BrowserInfo:
        return BrowserInfo(SHELL, "1.2.3.4")

    async def open(self, spec: BrowserSpec) -> Box:
        if self.faults:
            raise self.faults.pop(0)
        box = Box(spec)
        self.opened.append(box)
        if "-" not in spec.name:
            self.free_mb -= self.waiting_mb
            box.on_close = self._give_back
        return box

    def _give_back(self) -> None:
        self.free_mb += self.waiting_mb

    @property
    def waiting(self) -> list[Box]:
        """Those that were opened for nobody and live."""
        return [box for box in self.opened if not box.closed and "-" not in box.spec.name]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_browsers, "QUIET_SECONDS", 0.001)
    monkeypatch.setattr(warm_browsers, "CHECK_SECONDS", 0.01)


@pytest.fixture
def cold() -> Cold:
    return Cold()


def browsers(cold: Cold, count: int = 1, idle_seconds: float = 600) -> WarmBrowsers:
    return WarmBrowsers(cast(Any, cold), LIMITS, count, idle_seconds, lambda: cold.free_mb)


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0)


async def test_a_browser_waits_after_a_start_and_is_used_once(cold: Cold) -> None:
    warm = browsers(cold)
    async with warm.kept():
        await warm.open(SPEC)
        await until(lambda: cold.waiting)
        [waiting] = cold.waiting
        assert (waiting.spec.limits, waiting.spec.program) == (LIMITS, SHELL)
        assert await warm.idle_sandboxes() == IdleSandboxes(1, 100 * 2**20)
        assert cast(Any, await warm.open(SPEC)) is waiting
        await until(lambda: len(cold.opened) == 3)  # the next one waits
        assert cast(Any, await warm.open(SPEC)) is cold.opened[2]
    assert not waiting.closed


async def test_all_that_wait_are_closed_at_the_end(cold: Cold) -> None:
    warm = browsers(cold, count=2)
    async with warm.kept():
        used = [await warm.open(SPEC) for _ in range(3)]
        await until(lambda: len(cold.waiting) == 2)
    assert [box.closed for box in cold.opened] == [False, False, False, True, True]
    assert used == cold.opened[:3]


async def test_none_waits_outside_or_without_the_setting(cold: Cold) -> None:
    await browsers(cold).open(SPEC)
    warm = browsers(cold, count=0)
    async with warm.kept():
        await warm.open(SPEC)
        for _ in range(100):
            await asyncio.sleep(0)
    assert cold.waiting == []


@pytest.mark.parametrize(
    "spec",
    [
        replace(SPEC, program=None),
        replace(SPEC, display=True),
        replace(SPEC, program=BrowserProgram.CHROMIUM),
        replace(SPEC, cache="RUN-1"),
        replace(SPEC, limits=replace(LIMITS, memory=2**31)),
    ],
    ids=["with arguments", "with windows", "another program", "with a cache", "with other limits"],
)
async def test_another_browser_is_started_for_what_it_does_not_fit(
    cold: Cold, spec: BrowserSpec
) -> None:
    warm = browsers(cold)
    async with warm.kept():
        await warm.open(SPEC)
        await until(lambda: cold.waiting)
        assert cast(Any, await warm.open(spec)).spec is spec
        assert len(cold.waiting) == 1


async def test_none_waits_after_a_start_that_could_not_have_used_it(cold: Cold) -> None:
    warm = browsers(cold)
    async with warm.kept():
        await warm.open(replace(SPEC, program=BrowserProgram.CHROMIUM, display=True))
        for _ in range(100):
            await asyncio.sleep(0)
    assert len(cold.opened) == 1


@pytest.mark.parametrize(
    "state", [{"is_alive": False}, {"ooms": 1}, {"fault": "the launcher has gone"}], ids=str
)
async def test_a_browser_that_cannot_be_used_is_closed(cold: Cold, state: dict[str, Any]) -> None:
    warm = browsers(cold)
    async with warm.kept():
        await warm.open(SPEC)
        await until(lambda: cold.waiting)
        [waiting] = cold.waiting
        for name, value in state.items():
            setattr(waiting, name, value)
        assert cast(Any, await warm.open(SPEC)) is cold.opened[-1]
        await until(lambda: waiting.closed)
        assert cold.opened[-1] is not waiting


async def test_a_start_that_fails_is_repeated_without_those_that_wait(cold: Cold) -> None:
    warm = browsers(cold)
    async with warm.kept():
        await warm.open(SPEC)
        await until(lambda: cold.waiting)
        [waiting] = cold.waiting
        cold.faults = [SandboxFault("no memory")]
        other = replace(SPEC, program=None)
        assert cast(Any, await warm.open(other)).spec is other
        assert waiting.closed
    cold.faults = [SandboxFault("no memory")]
    with pytest.raises(SandboxFault, match="no memory"):
        await warm.open(SPEC)


async def test_a_start_that_is_given_up_ends_no_removal(cold: Cold) -> None:
    warm = browsers(cold)
    async with warm.kept():
        await warm.open(SPEC)
        await until(lambda: cold.waiting)
        [waiting] = cold.waiting
        waiting.may_close.clear()
        cold.faults = [SandboxFault("no memory")]
        opening = asyncio.create_task(warm.open(replace(SPEC, program=None)))
        await until(lambda: not warm._idle and not cold.faults)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        assert warm._closing and not waiting.closed
        waiting.may_close.set()
        await until(lambda: not warm._closing)
        assert waiting.closed


async def test_none_waits_while_memory_is_short(cold: Cold) -> None:
    warm = browsers(cold)
    async with warm.kept():
        await warm.open(SPEC)
        await until(lambda: cold.waiting)
        cold.free_mb = FREE_MB - 1
        await until(lambda: not cold.waiting)
        opened = len(cold.opened)
        cold.free_mb = FREE_MB + STARTING_MB
        await until(lambda: cold.waiting)
        assert len(cold.opened) == opened + 1


async def test_the_memory_that_a_waiting_browser_takes_does_not_end_it(cold: Cold) -> None:
    warm = browsers(cold)

    async def look() -> None:
        for _ in range(3):
            warm._changed.set()
            await until(lambda: not warm._changed.is_set())

    async with warm.kept():
        cold.waiting_mb = STARTING_MB
        await warm.open(SPEC)
        await until(lambda: cold.waiting)
        await look()
        assert len(cold.opened) == 2
        cold.free_mb -= 1
        await until(lambda: not cold.waiting)
        await look()  # there is as much memory as before the start, less that one
        assert len(cold.opened) == 2


async def test_a_browser_waits_no_longer_than_the_setting(cold: Cold) -> None:
    warm = browsers(cold, idle_seconds=600)
    async with warm.kept():
        await warm.open(SPEC)
        await until(lambda: cold.waiting)
        warm._starts[0] -= 300  # as if these seconds had passed since the start
        warm._changed.set()
        await until(lambda: not warm._changed.is_set())
        assert cold.waiting
        warm._starts[0] -= 300
        await until(lambda: not cold.waiting)
        assert await warm.idle_sandboxes() == IdleSandboxes()


async def test_a_browser_that_cannot_be_started_ahead_is_tried_after_the_next_start(
    cold: Cold,
) -> None:
    warm = browsers(cold)
    async with warm.kept():
        await warm.open(SPEC)
        cold.faults = [SandboxFault("no user is free")]
        await until(lambda: not cold.faults)
        await until(lambda: not warm._starts)
        assert len(cold.opened) == 1
        await warm.open(SPEC)
        await until(lambda: cold.waiting)
