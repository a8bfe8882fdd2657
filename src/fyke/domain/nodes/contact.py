"""Whether only this process is cut off from the state, for the runners that it serves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fyke.contracts.state import Transaction
from fyke.model.node import ContactState
from fyke.model.settings_version import SERVER_SILENCE_MS

IsCutOff = Callable[[int], Awaitable[bool]]


async def never_cut_off(servers: int) -> bool:
    """``is_cut_off`` for a database file, from which no runner can be cut off."""
    return False


def count_servers(tx: Transaction) -> int:
    """How many servers of the installation are active."""
    return tx.servers.count_active(tx.now - SERVER_SILENCE_MS)


class StateContact:
    """``is_cut_off`` gets ``servers``, the last known number of them, and returns whether only this
    process is cut off from the state.
    """

    def __init__(self, is_cut_off: IsCutOff = never_cut_off) -> None:
        self._is_cut_off = is_cut_off
        self.servers = 0

    async def state(self) -> ContactState:
        """See ``NodeGateway.contact``."""
        if await self._is_cut_off(self.servers):
            return ContactState.CUT_OFF
        return ContactState.DOWN_FOR_ALL
