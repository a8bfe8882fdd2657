"""The listeners of this process, for all implementations of ``Signals``.

A server may have thousands of waiting requests, each for one run. So signals are not copied to
every listener: the newest signal of each topic is stored once, with a sequence number, and a
listener stores the numbers that it has consumed. A signal wakes only the listeners of its topic.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress

MAX_TOPICS = 16_384  # beyond this, the oldest signals are dropped; listeners also poll
SPREAD_SECONDS = 2.0  # in which those wake that may have missed signals

_Waiter = tuple[asyncio.AbstractEventLoop, asyncio.Event]


class Listeners:
    """All listeners of one ``Signals``. ``deliver`` may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._missed = 0  # a number that counts as one of every topic
        self._newest: dict[str, int] = {}  # topic to its newest number, in order of the numbers
        self._waiting: dict[str, set[_Waiter]] = {}
        self._watchers: list[tuple[str, asyncio.AbstractEventLoop, Callable[[str], None]]] = []

    def watch(self, prefix: str, call: Callable[[str], None]) -> None:
        """See ``Signals.watch``."""
        with self._lock:
            self._watchers.append((prefix, asyncio.get_running_loop(), call))

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[TopicListener]:
        """Yield a listener that receives all later signals."""
        with self._lock:
            start = self._count
        yield TopicListener(self, start)

    def deliver(self, topics: Iterable[str]) -> None:
        """Record the signals and wake their listeners."""
        woken: set[_Waiter] = set()
        watched: list[tuple[asyncio.AbstractEventLoop, Callable[[str], None], str]] = []
        with self._lock:
            for topic in topics:
                for prefix, loop, call in self._watchers:
                    if topic.startswith(prefix):
                        watched.append((loop, call, topic.removeprefix(prefix)))
                self._count += 1
                self._newest.pop(topic, None)
                self._newest[topic] = self._count
                woken |= self._waiting.get(topic, set())
            while len(self._newest) > MAX_TOPICS:
                del self._newest[next(iter(self._newest))]
        for loop, event in woken:
            with suppress(RuntimeError):  # its loop was closed
                loop.call_soon_threadsafe(event.set)
        for loop, call, rest in watched:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(call, rest)

    def deliver_missed(self) -> None:
        """Act as if every topic had been signalled once, because none could be received. Those that
        wait wake within ``SPREAD_SECONDS``, as other processes have missed the same. Watchers are
        not called: what they missed is not known.
        """
        with self._lock:
            self._count += 1
            self._missed = self._count
            waiters = {waiter for same in self._waiting.values() for waiter in same}
        for loop, event in waiters:
            pause = random.uniform(0, SPREAD_SECONDS)  # noqa: S311 - no secret
            with suppress(RuntimeError):  # its loop was closed
                loop.call_soon_threadsafe(loop.call_later, pause, event.set)

    def oldest(self, topics: frozenset[str], consumed: dict[str, int], start: int) -> str | None:
        """Consume and return the oldest unconsumed signal of ``topics``; None without any.

        ``consumed`` maps topics to the last consumed number, ``start`` is that of all others.
        """
        with self._lock:
            missed = self._missed
            signals = [(max(missed, self._newest.get(topic, 0)), topic) for topic in topics]
            unread = [signal for signal in signals if signal[0] > consumed.get(signal[1], start)]
            if not unread:
                return None
            number, topic = min(unread)
            consumed[topic] = number
            return topic

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
        """See ``Listener.wait``. A ``timeout`` of zero or less does not wait."""
        topic = self._listeners.oldest(topics, self._consumed, self._start)
        if topic is not None or timeout <= 0:
            return topic
        event = asyncio.Event()
        waiter = (asyncio.get_running_loop(), event)
        self._listeners.enter(topics, waiter)
        try:
            # A signal may have been delivered between the first check and ``enter``.
            topic = self._listeners.oldest(topics, self._consumed, self._start)
            if topic is not None:
                return topic
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await event.wait()
        finally:
            self._listeners.leave(topics, waiter)
        return self._listeners.oldest(topics, self._consumed, self._start)
