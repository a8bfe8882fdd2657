"""Wakes a runner when what it has left to other machines may be leased by all.

Nothing else would wake it: the signal that work waits came before, and a runner asks without one
only every few seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fyke.contracts.signals import WORK, Listener, Signals


class Reminder:
    """Calls ``call`` at the earliest of the times that it is given."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._timer: asyncio.TimerHandle | None = None

    def remind(self, ms: int) -> None:
        """Call after this time, unless it is called earlier anyway."""
        loop = asyncio.get_running_loop()
        at = loop.time() + ms / 1000
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = loop.call_at(at, self._due)

    def _due(self) -> None:
        self._timer = None
        self._call()


class LeaseReminder(Reminder):
    """The reminders of one runner. Its listeners receive ``WORK`` at the time of the next one."""

    def __init__(self) -> None:
        self._is_due = asyncio.Event()
        super().__init__(self._is_due.set)

    @asynccontextmanager
    async def listen(self, signals: Signals) -> AsyncIterator[Listener]:
        """As ``Signals.listen``, with the reminders."""
        async with signals.listen() as listener:
            yield _RemindedListener(listener, self._is_due)


class _RemindedListener:
    def __init__(self, listener: Listener, due: asyncio.Event) -> None:
        self._listener = listener
        self._due = due

    async def wait(self, topics: frozenset[str], timeout: float) -> str | None:
        """See ``Listener.wait``."""
        if WORK not in topics:
            return await self._listener.wait(topics, timeout)
        signalled = asyncio.ensure_future(self._listener.wait(topics, timeout))
        reminded = asyncio.ensure_future(self._due.wait())
        try:
            await asyncio.wait({signalled, reminded}, return_when=asyncio.FIRST_COMPLETED)
            if signalled.done():
                return signalled.result()
            self._due.clear()
            return WORK
        finally:
            signalled.cancel()
            reminded.cancel()
