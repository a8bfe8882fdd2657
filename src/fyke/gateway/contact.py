"""Whether this gateway reaches the state, for the nodes that ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fyke.model.node import ContactState

AGE_SECONDS = 0.5  # what was found counts for so long, however often nodes ask

FindContact = Callable[[], Awaitable[ContactState]]


async def in_doubt() -> ContactState:
    """What a gateway says that cannot find out: its nodes are cut off with it."""
    return ContactState.CUT_OFF


class SharedContact:
    """Answers all nodes that ask at the same time by one call of ``find``, which takes seconds
    while the state is away.
    """

    def __init__(self, find: FindContact) -> None:
        self._find = find
        self._finding: asyncio.Task[ContactState] | None = None
        self._found_at = 0.0  # by the clock of the event loop

    async def state(self) -> ContactState:
        """What the present call finds, or a new one."""
        loop = asyncio.get_running_loop()
        task = self._finding
        if task is None or (task.done() and loop.time() - self._found_at > AGE_SECONDS):
            task = self._finding = asyncio.create_task(self._run())
        return await asyncio.shield(task)

    async def _run(self) -> ContactState:
        try:
            return await self._find()
        finally:
            self._found_at = asyncio.get_running_loop().time()
