"""One read for all concurrent requests for the same data.

A run that many clients poll is requested more often than the database can answer. Requests that
arrive during a read share the next one, which starts after they arrived. So no answer is older than
its request: this is not a cache.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclass(slots=True)
class _Read(Generic[V]):
    """The current read of one key, and the next one if a request waits for it."""

    task: asyncio.Task[V]
    next_task: asyncio.Task[V] | None = None


class SharedReads(Generic[V]):
    """Runs at most one read per key at a time. The key must include the caller's account."""

    def __init__(self) -> None:
        self._reads: dict[Hashable, _Read[V]] = {}

    async def get(self, key: Hashable, read: Callable[[], Awaitable[V]]) -> V:
        """The result or error of a ``read()`` that starts after this call."""
        current = self._reads.get(key)
        if current is None:
            task = asyncio.create_task(self._run(key, read))
            self._reads[key] = _Read(task)
        elif current.next_task is None:
            task = asyncio.create_task(self._run_after(current, key, read))
            current.next_task = task
        else:
            task = current.next_task
        # A cancelled waiter must not cancel the read of the others.
        return await asyncio.shield(task)

    async def _run(self, key: Hashable, read: Callable[[], Awaitable[V]]) -> V:
        try:
            return await read()
        finally:
            if self._reads[key].next_task is None:
                del self._reads[key]

    async def _run_after(
        self, previous: _Read[V], key: Hashable, read: Callable[[], Awaitable[V]]
    ) -> V:
        await asyncio.wait([previous.task])
        assert previous.next_task is not None  # noqa: S101 - it is this task
        self._reads[key] = _Read(previous.next_task)
        return await self._run(key, read)
