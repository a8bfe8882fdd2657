"""What the gateway reports by itself, as the signals that the runner waits for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

from fyke.contracts.signals import PREPARE, SITES, STOP, WORK
from fyke.wire.nodes import AnyNotice, AttemptsStopped, PreparationWaits, SitesChanged, WorkWaits

_TOPICS: dict[type, str] = {
    WorkWaits: WORK,
    AttemptsStopped: STOP,
    PreparationWaits: PREPARE,
    SitesChanged: SITES,
}


class NodeNotices:
    """Wakes the listeners of this process."""

    def __init__(self) -> None:
        self._listeners: set[NoticeListener] = set()

    def receive(self, notice: AnyNotice) -> None:
        """Pass on a notice of the gateway."""
        self._deliver([_TOPICS[type(notice)]])

    def connected(self) -> None:
        """Pass on all that may have been reported while there was no connection."""
        self._deliver(_TOPICS.values())

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[NoticeListener]:
        """Yield a listener that receives all later signals."""
        listener = NoticeListener()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def _deliver(self, topics: Iterable[str]) -> None:
        for topic in topics:
            for listener in self._listeners:
                listener.signal(topic)


class NoticeListener:
    """Implements ``contracts.signals.Listener``."""

    def __init__(self) -> None:
        self._signalled: dict[str, None] = {}  # in their order
        self._waiting: set[asyncio.Event] = set()

    def signal(self, topic: str) -> None:
        self._signalled[topic] = None
        for event in self._waiting:
            event.set()

    async def wait(self, topics: frozenset[str], timeout: float) -> str | None:
        """See ``Listener.wait``."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    while (topic := self._take(topics)) is None:
                        await event.wait()
                        event.clear()
                    return topic
        finally:
            self._waiting.discard(event)
        return None

    def _take(self, topics: frozenset[str]) -> str | None:
        topic = next((one for one in self._signalled if one in topics), None)
        if topic is not None:
            del self._signalled[topic]
        return topic
