"""Signals that are sent some time after a commit, such as when the pause of a subtask ends.

They are kept in memory: what a process that ends has not sent, others find when they poll.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from contextlib import suppress

# All that is due in one slot shares a timer, and a topic is sent once in it: so there are as many
# timers as slots in the longest time, however many subtasks pause.
SLOT_SECONDS = 0.25

DueSignal = tuple[str, int]  # a topic, and after how long it is sent, in ms


class DelayedSignals:
    """Calls ``notify`` for each topic when it is due, or up to ``SLOT_SECONDS`` later."""

    def __init__(self, notify: Callable[[str], None]) -> None:
        self._notify = notify
        self._topics: dict[int, dict[str, None]] = {}  # by slot, in order
        self._timers: dict[int, asyncio.TimerHandle] = {}

    def send(self, signals: Iterable[DueSignal], loop: asyncio.AbstractEventLoop) -> None:
        """Send those that are due at once, and the others from ``loop``. May be called from any
        thread.
        """
        for topic, after_ms in signals:
            if after_ms <= 0:
                self._notify(topic)
            else:
                with suppress(RuntimeError):  # the loop was closed
                    loop.call_soon_threadsafe(self._keep, topic, loop.time() + after_ms / 1000)

    def close(self) -> None:
        """Send none of those that are not due yet."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._topics.clear()

    def _keep(self, topic: str, at: float) -> None:
        slot = math.ceil(at / SLOT_SECONDS)
        if slot not in self._topics:
            self._topics[slot] = {}
            loop = asyncio.get_running_loop()
            self._timers[slot] = loop.call_at(slot * SLOT_SECONDS, self._due, slot)
        self._topics[slot][topic] = None

    def _due(self, slot: int) -> None:
        del self._timers[slot]
        for topic in self._topics.pop(slot):
            self._notify(topic)
