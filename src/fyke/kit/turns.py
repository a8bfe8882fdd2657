"""Turns of accounts at work that takes time: one at a time for each, and few that wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fyke.kit.fair_semaphore import FairSemaphore


class Turns:
    """At most ``slots`` turns are taken at the same time, at most one by an account. ``most``: how
    many an account may take and wait for; ``refusal`` is raised beyond that.
    """

    def __init__(self, slots: int, most: int, refusal: Callable[[], Exception]) -> None:
        self._slots = FairSemaphore(slots)
        self._most = most
        self._refusal = refusal
        self._asked: Counter[str] = Counter()

    @asynccontextmanager
    async def turn(self, account_id: str) -> AsyncIterator[None]:
        """Wait for a turn, and keep it for the block."""
        if self._asked[account_id] >= self._most:
            raise self._refusal()
        self._asked[account_id] += 1
        try:
            async with self._slots.slot(account_id):
                yield
        finally:
            self._asked[account_id] -= 1
            if not self._asked[account_id]:
                del self._asked[account_id]
