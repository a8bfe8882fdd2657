"""Limits per host, so that no user can make us flood a third party.

A host is counted under its name and under its address, because many names can point to one
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
        self._slots: dict[Key, _HostSlots] = {}

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
        host = self._slots.get(key)
        if host is None:
            host = self._slots[key] = _HostSlots(asyncio.Semaphore(self._in_flight))
        host.users += 1
        try:
            async with host.slots:
                await self._pace(host)
                yield
        finally:
            host.users -= 1
            if not host.users:
                self._forget_later(key)

    async def _pace(self, host: _HostSlots) -> None:
        """Delay each start until ``interval`` after the one before."""
        now = asyncio.get_running_loop().time()
        host.next_start = max(now, host.next_start)
        wait = host.next_start - now
        host.next_start += self._interval
        if wait > 0:
            await asyncio.sleep(wait)

    def _forget_later(self, key: Key) -> None:
        """Drop the slots of an idle host once they no longer delay a start."""

        def forget() -> None:
            host = self._slots.get(key)
            if host is not None and not host.users:
                del self._slots[key]

        asyncio.get_running_loop().call_later(2 * self._interval + 1.0, forget)


class _HostSlots:
    __slots__ = ("next_start", "slots", "users")

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self.slots = slots
        self.next_start = 0.0
        self.users = 0
