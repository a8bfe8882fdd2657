"""Signals to streams: the first at once, then one for each pause with new output."""

from __future__ import annotations

import asyncio

import pytest

from fyke.domain.results.output_signals import OutputSignals

pytestmark = pytest.mark.anyio


class LocalSignals:
    def __init__(self) -> None:
        self.notified: list[str] = []
        self.changed = asyncio.Event()

    def notify(self, topic: str) -> None:
        self.notified.append(topic)
        self.changed.set()


async def test_the_first_signal_is_sent_at_once_and_the_rest_share_one() -> None:
    signals = LocalSignals()
    notified = OutputSignals(signals, pause=0.02)  # type: ignore[arg-type]  # only notify is used
    for _ in range(100):
        notified.stored("a")
    notified.stored("b")
    assert signals.notified == ["output:a", "output:b"]
    signals.changed.clear()
    async with asyncio.timeout(5):
        await signals.changed.wait()
    assert signals.notified == ["output:a", "output:b", "output:a"]


async def test_an_idle_run_is_removed_and_signals_at_once_again() -> None:
    signals = LocalSignals()
    notified = OutputSignals(signals, pause=0.0)  # type: ignore[arg-type]  # only notify is used
    notified.stored("a")
    async with asyncio.timeout(5):
        while notified._pausing:
            await asyncio.sleep(0)
    notified.stored("a")
    assert signals.notified == ["output:a", "output:a"]
