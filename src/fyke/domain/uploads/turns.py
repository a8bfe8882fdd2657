"""A semaphore that is fair between accounts."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """At most ``at_once`` turns at the same time, at most one of an account. Accounts that wait
    are served in rotation, so that the queue of one does not delay another.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._busy: set[str] = set()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def of(self, account_id: str) -> AsyncIterator[None]:
        """Wait for a turn of this account and keep it for the block."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(account_id, deque()).append(turn)
        self._grant()
        try:
            await turn
            yield
        finally:
            if not turn.cancelled():
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
