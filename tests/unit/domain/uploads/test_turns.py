"""Turns: which account gets the next one, and how turns that are given up are released."""

from __future__ import annotations

import asyncio

import pytest

from fyke.domain.uploads.turns import Turns

pytestmark = pytest.mark.anyio


class Work:
    """Work of several accounts in one set of turns; ``started`` has the names in order."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.started: list[str] = []

    async def start(self, *names: str) -> None:
        """Begin each, of the account that is its first letter."""
        for name in names:
            self._tasks[name] = asyncio.create_task(self._do(name))
        await self._settle()

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await self._tasks[name]
        await self._settle()

    async def cancel(self, *names: str) -> None:
        for name in names:
            self._tasks[name].cancel()
        await asyncio.gather(*(self._tasks[name] for name in names), return_exceptions=True)
        await self._settle()

    async def _do(self, name: str) -> None:
        end = self._ends[name] = asyncio.Event()
        async with self._turns.of(name[0]):
            self.started.append(name)
            await end.wait()

    async def _settle(self) -> None:
        for _ in range(5):  # a turn passes from task to task in fewer rounds of the loop
            await asyncio.sleep(0)


async def test_an_account_has_one_turn_and_accounts_take_turns() -> None:
    work = Work(Turns(2))
    await work.start("a1", "a2", "a3", "b1", "b2", "c1")
    assert work.started == ["a1", "b1"]
    await work.end("a1")
    assert work.started[2:] == ["a2"], "which has waited the longest"
    await work.end("a2")
    assert work.started[3:] == ["c1"], "before the next of an account that had its turn"
    await work.end("c1")
    assert work.started[4:] == ["a3"], "b has a turn already"
    await work.end("b1")
    assert work.started[5:] == ["b2"]


async def test_a_cancelled_upload_releases_its_turn() -> None:
    work = Work(Turns(1))
    await work.start("a1", "b1", "b2", "c1")
    await work.cancel("b1", "a1")
    assert work.started == ["a1", "b2"]
    await work.cancel("b2", "c1")
    await work.start("d1")
    assert work.started == ["a1", "b2", "d1"]


async def test_a_turn_that_is_granted_and_cancelled_at_once_is_not_lost() -> None:
    turns = Turns(1)
    first, second = turns.of("a"), turns.of("b")
    await first.__aenter__()
    waiting = asyncio.create_task(second.__aenter__())
    await asyncio.sleep(0)
    await first.__aexit__(None, None, None)  # grants it, before the task has run again
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(5), turns.of("c"):
        pass
