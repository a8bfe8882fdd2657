"""Who listens in this process, shared by every kind of doorbell.

A server may hold thousands of waiting requests, each interested in one run. So rings are not
copied to every ear: the newest ring of each topic is kept once with a running number, and an ear
remembers the numbers it has consumed. A ring wakes only those who wait for its topic.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

MAX_TOPICS = 16_384  # the longest silent topics are forgotten beyond this; a sweep repairs that

_Waiter = tuple[asyncio.AbstractEventLoop, asyncio.Event]


class Listeners:
    """All ears of one doorbell. ``deliver`` may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._rung: dict[str, int] = {}  # topic to its newest number, in order of the number
        self._waiting: dict[str, set[_Waiter]] = {}

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[TopicListener]:
        """An ear that hears what is rung from now on."""
        with self._lock:
            start = self._count
        yield TopicListener(self, start)

    def deliver(self, topics: Iterable[str]) -> None:
        """Note the rings and wake whoever waits for them."""
        woken: set[_Waiter] = set()
        with self._lock:
            for topic in topics:
                self._count += 1
                self._rung.pop(topic, None)
                self._rung[topic] = self._count
                woken |= self._waiting.get(topic, set())
            while len(self._rung) > MAX_TOPICS:
                del self._rung[next(iter(self._rung))]
        for loop, event in woken:
            with suppress(RuntimeError):  # that loop was closed in the meantime
                loop.call_soon_threadsafe(event.set)

    def oldest(self, topics: frozenset[str], heard: dict[str, int], start: int) -> str | None:
        """The topic among ``topics`` whose unheard ring is the oldest; now it is heard."""
        with self._lock:
            found = min(
                (
                    (number, topic)
                    for topic in topics
                    if (number := self._rung.get(topic, 0)) > heard.get(topic, start)
                ),
                default=None,
            )
            if found is None:
                return None
            heard[found[1]] = found[0]
            return found[1]

    def enter(self, topics: frozenset[str], waiter: _Waiter) -> None:
        with self._lock:
            for topic in topics:
                self._waiting.setdefault(topic, set()).add(waiter)

    def leave(self, topics: frozenset[str], waiter: _Waiter) -> None:
        with self._lock:
            for topic in topics:
                waiters = self._waiting.get(topic, set())
                waiters.discard(waiter)
                if not waiters:
                    self._waiting.pop(topic, None)


class TopicListener:
    """One listener's view; see ``DoorbellEar``."""

    def __init__(self, ears: Listeners, start: int) -> None:
        self._ears = ears
        self._start = start
        self._heard: dict[str, int] = {}

    async def wait(self, topics: frozenset[str], timeout: float) -> str | None:
        """Seconds; zero or less asks without waiting."""
        found = self._ears.oldest(topics, self._heard, self._start)
        if found is not None or timeout <= 0:
            return found
        event = asyncio.Event()
        waiter = (asyncio.get_running_loop(), event)
        self._ears.enter(topics, waiter)
        try:
            # A ring may have come between the first look and entering.
            found = self._ears.oldest(topics, self._heard, self._start)
            if found is not None:
                return found
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await event.wait()
        finally:
            self._ears.leave(topics, waiter)
        return self._ears.oldest(topics, self._heard, self._start)
