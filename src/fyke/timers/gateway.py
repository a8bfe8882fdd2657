"""Finds out when this machine needs a gateway, so that none runs in an installation without nodes.

It waits for the signal that a token was made, and looks now and then, because a signal may be lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fyke.contracts.signals import NODES, Signals
from fyke.contracts.state import Storage
from fyke.domain.nodes.tokens import needs_gateway

LOOK_SECONDS = 60.0


class GatewayTimer:
    """``on_needed`` is called once."""

    seconds = 0.0

    def __init__(self, storage: Storage, signals: Signals, on_needed: Callable[[], None]) -> None:
        self._storage = storage
        self._signals = signals
        self._on_needed = on_needed

    async def tick(self) -> None:
        """Look until a gateway is needed; then there is nothing more to do."""
        async with self._signals.listen() as listener:
            while not await self._storage.read(needs_gateway):
                await listener.wait(frozenset({NODES}), LOOK_SECONDS)
        self._on_needed()
        await asyncio.Event().wait()
