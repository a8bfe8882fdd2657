"""The listeners of this process, shared by every kind of ``Signals``.

A server may have thousands of waiting requests, each interested in one run. So signals are not
copied to every listener: the newest signal of each topic is kept once with a running number, and a
listener remembers the numbers it has consumed. A signal wakes only the listeners of its topic.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

MAX_TOPICS = 16_384  # the longest unused topics are forgotten beyond this; a sweep repairs that

_Waiter = tuple[asyncio.AbstractEventLoop, asyncio.Event]


class Listeners:
    """All listeners of one ``Signals``. ``deliver`` may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._newest: dict[str, int] = {}  # topic to its newest number, in order of the number
        self._waiting: dict[str, set[_Waiter]] = {}

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[TopicListener]:
        """Yield a listener that receives the signals from now on."""
        with self._lock:
            start = self._count
        yield TopicListener(self, start)

    def deliver(self, topics: Iterable[str]) -> None:
        """Record the signals and wake their listeners."""
        woken: set[_Waiter] = set()
        with self._lock:
            for topic in topics:
                self._count += 1
                self._newest.pop(topic, None)
                self._newest[topic] = self._count
                woken |= self._waiting.get(topic, set())
            while len(self._newest) > MAX_TOPICS:
                del self._newest[next(iter(self._newest))]
        for loop, event in woken:
            with suppress(RuntimeError):  # that loop was closed in the meantime
                loop.call_soon_threadsafe(event.set)

    def oldest(self, topics: frozenset[str], consumed: dict[str, int], start: int) -> str | None:
        """Return and consume the oldest signal of ``topics`` that is not in ``consumed``."""
        with self._lock:
            found = min(
                (
                    (number, topic)
                    for topic in topics
                    if (number := self._newest.get(topic, 0)) > consumed.get(topic, start)
                ),
                default=None,
            )
            if found is None:
                return None
            consumed[found[1]] = found[0]
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
    """Implements ``contracts.signals.Listener``."""

    def __init__(self, listeners: Listeners, start: int) -> None:
        self._listeners = listeners
        self._start = start
        self._consumed: dict[str, int] = {}

    async def wait(self, topics: frozenset[str], timeout: float) -> str | None:
        """Wait for ``timeout`` seconds; zero or less returns at once."""
        found = self._listeners.oldest(topics, self._consumed, self._start)
        if found is not None or timeout <= 0:
            return found
        event = asyncio.Event()
        waiter = (asyncio.get_running_loop(), event)
        self._listeners.enter(topics, waiter)
        try:
            # A signal may have come between the first check and entering.
            found = self._listeners.oldest(topics, self._consumed, self._start)
            if found is not None:
                return found
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await event.wait()
        finally:
            self._listeners.leave(topics, waiter)
        return self._listeners.oldest(topics, self._consumed, self._start)
