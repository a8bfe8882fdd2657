"""The engine of one machine or a few: queue and leases kept in the state itself.

A runner asks for what fits into its room; the lease is a row with a deadline and a token. There
is no broker to lose anything in.
"""

from __future__ import annotations

from fyke.contracts.state import Storage, Transaction
from fyke.model.runner import Capacity, Lease

LEASE_SECONDS = 15.0
_UNBOUNDED = Capacity(cpus=1e9, memory_mb=2**40, slots=1)


class LocalEngine:
    """Implements ``contracts.Engine`` over ``contracts.Storage``."""

    def __init__(self, storage: Storage, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._storage = storage
        self.lease_seconds = lease_seconds

    async def take(self, runner_id: str, room: Capacity, *, idle: bool) -> list[Lease]:
        """Lease what fits. An idle runner also takes one attempt that is larger than all its
        room: slow is better than never."""

        def work(tx: Transaction) -> list[Lease]:
            until = tx.now + int(self.lease_seconds * 1000)
            if room.slots > 0:
                leases = tx.runs.lease(runner_id, room, until)
                if leases or not idle:
                    return leases
                return tx.runs.lease(runner_id, _UNBOUNDED, until)
            return []

        return await self._storage.write(work)
