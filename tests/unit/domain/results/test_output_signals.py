"""Signals to streams: the first at once, then one for each pause with new output."""

from __future__ import annotations

import asyncio

import pytest

from fyke.domain.results import output_signals
from fyke.domain.results.output_signals import OutputFollower, OutputSignals

pytestmark = pytest.mark.anyio


class LocalSignals:
    def __init__(self) -> None:
        self.notified: list[str] = []
        self.changed = asyncio.Event()

    def notify(self, topic: str) -> None:
        self.notified.append(topic)
        self.changed.set()


def followed_output(signals: LocalSignals, pause: float, *run_ids: str) -> OutputSignals:
    """``OutputSignals`` for these runs, which are followed and have signalled so."""
    output = OutputSignals(signals, pause)  # type: ignore[arg-type]  # only notify is used
    for run_id in run_ids:
        output.followed(run_id)
    return output


async def idle(output: OutputSignals) -> None:
    async with asyncio.timeout(5):
        while output._pausing:
            await asyncio.sleep(0)


async def test_the_first_signal_is_sent_at_once_and_the_rest_share_one() -> None:
    signals = LocalSignals()
    output = followed_output(signals, 0.02, "a", "b")
    await idle(output)
    signals.notified.clear()
    for _ in range(100):
        output.stored("a")
    output.stored("b")
    assert signals.notified == ["output:a", "output:b"]
    signals.changed.clear()
    async with asyncio.timeout(5):
        await signals.changed.wait()
    assert signals.notified == ["output:a", "output:b", "output:a"]


async def test_an_idle_run_is_removed_and_signals_at_once_again() -> None:
    signals = LocalSignals()
    output = followed_output(signals, 0.0, "a")
    await idle(output)
    signals.notified.clear()
    for _ in range(2):
        output.stored("a")
        await idle(output)
    assert signals.notified == ["output:a", "output:a"]


async def test_a_run_that_no_stream_follows_is_not_signalled() -> None:
    signals = LocalSignals()
    output = followed_output(signals, 0.0)
    output.stored("a")
    assert signals.notified == []
    output.followed("a")
    assert signals.notified == ["output:a"]  # something may have been stored before
    await idle(output)
    output.followed("a")
    assert signals.notified == ["output:a"]
    output.stored("b")
    assert signals.notified == ["output:a"]


async def test_a_follower_that_says_nothing_more_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_signals, "FOLLOWED_SECONDS", -1.0)
    signals = LocalSignals()
    output = followed_output(signals, 0.0, "a", "b")
    signals.notified.clear()
    output.stored("a")
    assert signals.notified == []
    assert output._followed == {}


async def test_a_stream_says_what_it_follows_once_in_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signals = LocalSignals()
    follower = OutputFollower(signals)  # type: ignore[arg-type]  # only notify is used
    for runs in (["a", "b"], ["a", "b"], ["b", "c"], ["a"]):
        follower.follow(runs)
    assert signals.notified == ["followed:a", "followed:b", "followed:c", "followed:a"]
    monkeypatch.setattr(output_signals, "SAY_SECONDS", 0.0)
    follower.follow(["a"])
    assert signals.notified[4:] == ["followed:a"]
