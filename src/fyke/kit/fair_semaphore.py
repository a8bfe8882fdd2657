"""A semaphore that is fair between accounts."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairSemaphore:
    """At most ``slots`` slots are taken at the same time, at most one by an account. Waiting
    accounts are served in rotation, so that the queue of one does not delay another.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._busy: set[str] = set()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def slot(self, account_id: str) -> AsyncIterator[None]:
        """Wait for a slot for this account, and keep it for the block."""
        granted = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(account_id, deque()).append(granted)
        self._grant()
        try:
            await granted
            yield
        finally:
            if not granted.cancelled():
                self._free += 1
                self._busy.discard(account_id)
            self._grant()

    def _grant(self) -> None:
        for account_id in list(self._waiting):
            queue = self._waiting[account_id]
            while queue and queue[0].cancelled():
                queue.popleft()
            if queue and self._free and account_id not in self._busy:
                queue.popleft().set_result(None)
                self._free -= 1
                self._busy.add(account_id)
                self._waiting.move_to_end(account_id)
            if not queue:
                del self._waiting[account_id]
