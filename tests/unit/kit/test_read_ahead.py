from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from fyke.kit.read_ahead import read_ahead

pytestmark = pytest.mark.anyio


class Source:
    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.count = count
        self.error = error
        self.made = 0
        self.closed = False

    async def items(self) -> AsyncGenerator[int, None]:
        try:
            while self.made < self.count:
                await asyncio.sleep(0)
                self.made += 1
                yield self.made
            if self.error is not None:
                raise self.error
        finally:
            self.closed = True


async def until_made(source: Source, count: int) -> None:
    while source.made < count:
        await asyncio.sleep(0)


@pytest.mark.parametrize("count", [0, 1, 5])
async def test_all_items_come_in_their_order(count: int) -> None:
    source = Source(count)
    assert [item async for item in read_ahead(source.items())] == list(range(1, count + 1))
    assert source.closed


async def test_the_next_item_is_made_while_one_is_processed_and_no_more() -> None:
    source = Source(9)
    items = read_ahead(source.items())
    assert await anext(items) == 1
    await until_made(source, 2)
    for _ in range(20):
        await asyncio.sleep(0)
    assert source.made == 2
    await items.aclose()
    assert source.closed


async def test_an_error_comes_after_the_items_before_it() -> None:
    source, seen = Source(2, ValueError("broken")), []
    with pytest.raises(ValueError, match="broken"):
        async for item in read_ahead(source.items()):
            seen.append(item)
    assert seen == [1, 2] and source.closed


async def test_a_reader_that_stops_early_closes_the_source_at_once() -> None:
    for error in (None, ValueError("not seen")):
        source = Source(1, error)
        items = read_ahead(source.items())
        assert await anext(items) == 1
        await items.aclose()
        assert source.closed


async def test_a_cancelled_reader_closes_the_source() -> None:
    source = Source(3)
    waiting = asyncio.Event()

    async def read() -> None:
        async with aclosing(read_ahead(source.items())) as items:
            async for _ in items:
                waiting.set()
                await asyncio.Event().wait()

    task = asyncio.create_task(read())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.closed
