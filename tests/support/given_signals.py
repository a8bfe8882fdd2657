"""Signals that a test gives itself, in one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fyke.contracts.signals import Listener


class GivenSignals:
    """Each signal reaches the listener that waits, whatever its topics."""

    def __init__(self) -> None:
        self._given: asyncio.Queue[str] = asyncio.Queue()

    def notify(self, topic: str) -> None:
        self._given.put_nowait(topic)

    def close(self) -> None:
        """Nothing to close."""

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Listener]:
        yield self

    async def wait(self, topics: frozenset[str], timeout: float) -> str | None:
        try:
            async with asyncio.timeout(timeout):
                return await self._given.get()
        except TimeoutError:
            return None
