"""Listeners without any transport."""

from __future__ import annotations

import asyncio
import random

import pytest

from fyke.storage.signals import listeners as module
from fyke.storage.signals.listeners import Listeners

pytestmark = pytest.mark.anyio

BOTH = frozenset({"a", "b"})


async def test_the_oldest_signal_comes_first() -> None:
    listeners = Listeners()
    async with listeners.listen() as listener:
        listeners.deliver(["b", "a", "b"])
        assert [await listener.wait(BOTH, 0) for _ in range(3)] == ["a", "b", None]


async def test_a_listener_gets_no_earlier_signals() -> None:
    listeners = Listeners()
    listeners.deliver(["a"])
    async with listeners.listen() as listener:
        assert await listener.wait(BOTH, 0) is None


async def test_a_signal_wakes_a_waiter_at_once() -> None:
    listeners = Listeners()
    async with listeners.listen() as listener:
        waiting = asyncio.create_task(listener.wait(BOTH, 30))
        await asyncio.sleep(0)
        listeners.deliver(["b"])
        assert await asyncio.wait_for(waiting, 5) == "b"


async def test_what_may_have_been_missed_counts_once_for_every_topic() -> None:
    listeners = Listeners()
    async with listeners.listen() as listener:
        listeners.deliver(["a"])
        listeners.deliver_missed()
        assert {await listener.wait(BOTH, 0) for _ in range(2)} == BOTH
        assert await listener.wait(BOTH, 0) is None
        listeners.deliver(["b"])
        assert [await listener.wait(BOTH, 0) for _ in range(2)] == ["b", None]
    async with listeners.listen() as later:
        assert await later.wait(BOTH, 0) is None


async def test_those_that_may_have_missed_signals_wake_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses = iter([0.0, 3600.0])
    monkeypatch.setattr(random, "uniform", lambda _low, _high: next(pauses))
    listeners = Listeners()

    async def wait() -> str | None:
        async with listeners.listen() as listener:
            return await listener.wait(BOTH, 3600)

    waiting = {asyncio.create_task(wait()) for _ in range(2)}
    await asyncio.sleep(0)
    listeners.deliver_missed()
    done, late = await asyncio.wait(waiting, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert [task.result() for task in done] == ["a"] and len(late) == 1
    listeners.deliver(["b"])
    assert await asyncio.wait_for(late.pop(), 5) == "a"  # the oldest that it has not had


async def test_a_cancelled_waiter_is_removed() -> None:
    listeners = Listeners()
    async with listeners.listen() as listener:
        waiting = asyncio.create_task(listener.wait(BOTH, 30))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert listeners._waiting == {}


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TOPICS", 10)
    listeners = Listeners()
    async with listeners.listen() as listener:
        listeners.deliver(f"t{n}" for n in range(100))
        assert len(listeners._newest) == 10
        assert await listener.wait(frozenset({"t99"}), 0) == "t99"


def test_a_closed_event_loop_does_not_stop_delivery() -> None:
    listeners = Listeners()
    loop = asyncio.new_event_loop()
    listeners.enter(BOTH, (loop, asyncio.Event()))
    loop.close()
    listeners.deliver(["a"])
    assert list(listeners._newest) == ["a"]
