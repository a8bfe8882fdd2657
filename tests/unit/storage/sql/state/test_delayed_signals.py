"""Signals that are sent after a time: each once, in order, and with few timers."""

from __future__ import annotations

import asyncio

import pytest

from fyke.storage.sql.state import delayed_signals as module
from fyke.storage.sql.state.delayed_signals import DelayedSignals

pytestmark = pytest.mark.anyio

LATER_MS = 100_000


async def until(sent: list[str], count: int) -> None:
    async with asyncio.timeout(30):
        while len(sent) < count:
            await asyncio.sleep(0)


async def test_what_is_due_is_sent_at_once_from_any_thread() -> None:
    sent: list[str] = []
    signals = DelayedSignals(sent.append)
    await asyncio.to_thread(signals.send, [("b", 0), ("a", 0)], asyncio.get_running_loop())
    assert sent == ["b", "a"]


async def test_the_rest_is_sent_when_it_is_due_and_not_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SLOT_SECONDS", 0.001)
    sent: list[tuple[str, float]] = []
    loop = asyncio.get_running_loop()
    signals = DelayedSignals(lambda topic: sent.append((topic, loop.time())))
    start = loop.time()
    await asyncio.to_thread(signals.send, [("late", LATER_MS), ("soon", 20), ("now", 0)], loop)
    async with asyncio.timeout(30):
        while len(sent) < 2:
            await asyncio.sleep(0)
    assert [topic for topic, _ in sent] == ["now", "soon"]
    assert sent[1][1] - start >= 0.02
    signals.close()


async def test_many_at_about_the_same_time_are_sent_once_and_in_order() -> None:
    sent: list[str] = []
    signals = DelayedSignals(sent.append)
    loop = asyncio.get_running_loop()
    signals.send([("b", 1), ("a", 1), ("b", 1)], loop)
    await until(sent, 2)
    assert sent == ["b", "a"] or sent == ["b", "a", "b"]  # on both sides of the border of a slot
    at = loop.time() + LATER_MS / 1000
    for number in range(10_000):  # within ten seconds
        signals._keep("a", at + number / 1000)
        signals._keep("b", at + number / 1000)
    assert 0 < len(signals._timers) <= 10 / module.SLOT_SECONDS + 1
    signals.close()
    assert signals._timers == {}


async def test_a_closed_event_loop_is_no_error() -> None:
    sent: list[str] = []
    closed = asyncio.new_event_loop()
    closed.close()
    DelayedSignals(sent.append).send([("later", LATER_MS), ("now", 0)], closed)
    assert sent == ["now"]
