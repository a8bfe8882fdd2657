"""One read for all concurrent requests for the same thing.

A run that many clients poll is requested more often than the database can answer. Requests that
come during a read share the next one, which starts after all of them came. So no request gets an
answer that was read before it came: this is no cache.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclass(slots=True)
class _Reading(Generic[V]):
    """The present read of one key, and the next one, if a request waits for it."""

    task: asyncio.Task[V]
    following: asyncio.Task[V] | None = None


class SharedReads(Generic[V]):
    """Runs at most one read per key at a time. The key must name the caller's account too."""

    def __init__(self) -> None:
        self._readings: dict[Hashable, _Reading[V]] = {}

    async def get(self, key: Hashable, work: Callable[[], Awaitable[V]]) -> V:
        """The result of a ``work()`` that began after this call; its error too."""
        reading = self._readings.get(key)
        if reading is None:
            task = asyncio.create_task(self._run(key, work))
            self._readings[key] = _Reading(task)
        elif reading.following is None:
            task = asyncio.create_task(self._run_after(reading, key, work))
            reading.following = task
        else:
            task = reading.following
        # One waiter that is cancelled must not take the read away from the others.
        return await asyncio.shield(task)

    async def _run(self, key: Hashable, work: Callable[[], Awaitable[V]]) -> V:
        try:
            return await work()
        finally:
            if self._readings[key].following is None:
                del self._readings[key]

    async def _run_after(
        self, earlier: _Reading[V], key: Hashable, work: Callable[[], Awaitable[V]]
    ) -> V:
        await asyncio.wait([earlier.task])
        assert earlier.following is not None  # noqa: S101 - it is this very task
        self._readings[key] = _Reading(earlier.following)
        return await self._run(key, work)
