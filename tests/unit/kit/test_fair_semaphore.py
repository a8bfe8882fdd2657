"""The semaphore: which account gets the next slot, and how cancelled waits are removed."""

from __future__ import annotations

import asyncio

import pytest

from fyke.kit.fair_semaphore import FairSemaphore

pytestmark = pytest.mark.anyio


class Work:
    """Tasks of several accounts that share a semaphore; ``started`` has their names in order."""

    def __init__(self, semaphore: FairSemaphore) -> None:
        self._semaphore = semaphore
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.started: list[str] = []

    async def start(self, *names: str) -> None:
        """Start a task of each name; its first letter is the account."""
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
        async with self._semaphore.slot(name[0]):
            self.started.append(name)
            await end.wait()

    async def _settle(self) -> None:
        for _ in range(5):  # a slot passes from task to task in fewer rounds of the loop
            await asyncio.sleep(0)


async def test_an_account_has_one_slot_and_accounts_are_served_in_rotation() -> None:
    work = Work(FairSemaphore(2))
    await work.start("a1", "a2", "a3", "b1", "b2", "c1")
    assert work.started == ["a1", "b1"]
    await work.end("a1")
    assert work.started[2:] == ["a2"], "the account that has waited longest"
    await work.end("a2")
    assert work.started[3:] == ["c1"], "before another task of an account that was served"
    await work.end("c1")
    assert work.started[4:] == ["a3"], "b has a slot already"
    await work.end("b1")
    assert work.started[5:] == ["b2"]


async def test_a_cancelled_task_releases_its_slot() -> None:
    work = Work(FairSemaphore(1))
    await work.start("a1", "b1", "b2", "c1")
    await work.cancel("b1", "a1")
    assert work.started == ["a1", "b2"]
    await work.cancel("b2", "c1")
    await work.start("d1")
    assert work.started == ["a1", "b2", "d1"]


async def test_a_slot_that_is_granted_to_a_cancelled_task_is_not_lost() -> None:
    semaphore = FairSemaphore(1)
    first, second = semaphore.slot("a"), semaphore.slot("b")
    await first.__aenter__()
    waiting = asyncio.create_task(second.__aenter__())
    await asyncio.sleep(0)
    await first.__aexit__(None, None, None)  # grants it, before the task has run again
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(5), semaphore.slot("c"):
        pass
