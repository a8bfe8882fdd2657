"""Reads shared by concurrent callers."""

from __future__ import annotations

import asyncio

import pytest

from fyke.api.shared import SharedReads

pytestmark = pytest.mark.anyio


class Source:
    """A value whose reads block until ``unblocked`` is set."""

    def __init__(self) -> None:
        self.value = 0
        self.reads = 0
        self.unblocked = asyncio.Event()

    async def read(self) -> int:
        self.reads += 1
        value = self.value
        await self.unblocked.wait()
        return value


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_callers_during_a_read_share_the_next_read() -> None:
    source, shared = Source(), SharedReads[int]()
    first = asyncio.create_task(shared.get("k", source.read))
    await _settle()
    source.value = 1  # written after the first read started
    others = [asyncio.create_task(shared.get("k", source.read)) for _ in range(50)]
    await _settle()
    assert source.reads == 1
    source.unblocked.set()
    assert await first == 0
    assert await asyncio.gather(*others) == [1] * 50
    assert source.reads == 2
    assert not shared._reads


async def test_keys_do_not_wait_for_each_other() -> None:
    source, shared = Source(), SharedReads[int]()
    reads = [asyncio.create_task(shared.get(n, source.read)) for n in range(5)]
    await _settle()
    assert source.reads == 5
    source.unblocked.set()
    assert await asyncio.gather(*reads) == [0] * 5


async def test_every_caller_gets_the_error_and_the_next_read_starts_again() -> None:
    shared = SharedReads[int]()

    async def fail() -> int:
        await asyncio.sleep(0)
        raise KeyError("gone")

    reads = [shared.get("k", fail) for _ in range(5)]
    results = await asyncio.gather(*reads, return_exceptions=True)
    assert [type(result) for result in results] == [KeyError] * 5

    async def succeed() -> int:
        return 7

    assert await shared.get("k", succeed) == 7
    assert not shared._reads


async def test_a_cancelled_caller_does_not_cancel_the_read_of_the_others() -> None:
    source, shared = Source(), SharedReads[int]()
    callers = [asyncio.create_task(shared.get("k", source.read)) for _ in range(3)]
    await _settle()
    callers[0].cancel()
    callers[1].cancel()
    await _settle()
    source.unblocked.set()
    assert await callers[2] == 0
    await _settle()
    assert not shared._reads
