"""Bounds per host, so that nobody can make us flood a third party.

A host is counted under its name and under its address, because many names can lead to one
machine and one name to many.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

Key = tuple[str, int]


class HostRateLimiter:
    """At most ``in_flight`` at once and ``per_second`` starts a second for each key."""

    def __init__(self, in_flight: int = 2, per_second: float = 10.0) -> None:
        self._in_flight = in_flight
        self._interval = 1.0 / per_second
        self._doors: dict[Key, _HostSlots] = {}

    @asynccontextmanager
    async def enter(self, keys: list[Key], patience: float) -> AsyncIterator[None]:
        """Wait for a turn under every key, in the given order. Raise ``TimeoutError`` after
        ``patience`` seconds of waiting.
        """
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(patience):
                for key in dict.fromkeys(keys):
                    await stack.enter_async_context(self._pass(key))
            yield

    @asynccontextmanager
    async def _pass(self, key: Key) -> AsyncIterator[None]:
        door = self._doors.get(key)
        if door is None:
            door = self._doors[key] = _HostSlots(asyncio.Semaphore(self._in_flight))
        door.users += 1
        try:
            async with door.slots:
                await self._pace(door)
                yield
        finally:
            door.users -= 1
            if not door.users:
                self._forget_later(key)

    async def _pace(self, door: _HostSlots) -> None:
        """Give every start its own moment, ``interval`` behind the one before."""
        now = asyncio.get_running_loop().time()
        door.next_start = max(now, door.next_start)
        wait = door.next_start - now
        door.next_start += self._interval
        if wait > 0:
            await asyncio.sleep(wait)

    def _forget_later(self, key: Key) -> None:
        """Drop an idle door, but not before its pace no longer matters."""

        def forget() -> None:
            door = self._doors.get(key)
            if door is not None and not door.users:
                del self._doors[key]

        asyncio.get_running_loop().call_later(2 * self._interval + 1.0, forget)


class _HostSlots:
    __slots__ = ("next_start", "slots", "users")

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self.slots = slots
        self.next_start = 0.0
        self.users = 0
