"""Limits requests per host, so that no user can make us flood a third party.

A host is counted by its name and by its address, because several names can have one address, and
one name several.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

Key = tuple[str, int]


class HostRateLimiter:
    """At most ``in_flight`` requests at once, and ``per_second`` starts a second, for each key."""

    def __init__(self, in_flight: int = 2, per_second: float = 10.0) -> None:
        self._in_flight = in_flight
        self._interval = 1.0 / per_second
        self._slots: dict[Key, _HostSlots] = {}

    @asynccontextmanager
    async def enter(self, keys: list[Key], timeout: float) -> AsyncIterator[None]:
        """Wait for a slot of every key, in this order. Raise ``TimeoutError`` after ``timeout``
        seconds of waiting.
        """
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(timeout):
                for key in dict.fromkeys(keys):
                    await stack.enter_async_context(self._occupy(key))
            yield

    @asynccontextmanager
    async def _occupy(self, key: Key) -> AsyncIterator[None]:
        host = self._slots.get(key)
        if host is None:
            host = self._slots[key] = _HostSlots(asyncio.Semaphore(self._in_flight))
        host.users += 1
        try:
            async with host.slots:
                await self._delay_start(host)
                yield
        finally:
            host.users -= 1
            if not host.users:
                self._forget_later(key)

    async def _delay_start(self, host: _HostSlots) -> None:
        """Wait until ``interval`` seconds after the previous start."""
        now = asyncio.get_running_loop().time()
        host.next_start = max(now, host.next_start)
        wait = host.next_start - now
        host.next_start += self._interval
        if wait > 0:
            await asyncio.sleep(wait)

    def _forget_later(self, key: Key) -> None:
        """Remove the slots of an idle host once they can no longer delay a start."""

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
