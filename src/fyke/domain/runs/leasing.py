"""Assigns waiting attempts to runners: the queue and the leases are rows of the state.

A runner takes attempts that fit into its free capacity. A lease is a row with a deadline and a
token, so no message broker is needed.
"""

from __future__ import annotations

from dataclasses import replace

from fyke.contracts.state import Storage, Transaction
from fyke.model.runner import LEASE_SECONDS, Capacity, Lease


class Leasing:
    """``lease_seconds`` is how long a lease is valid without renewal."""

    def __init__(self, storage: Storage, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._storage = storage
        self.lease_seconds = lease_seconds

    async def take(self, runner_id: str, capacity: Capacity, *, idle: bool) -> list[Lease]:
        """Lease attempts that fit into the free ``capacity``. An ``idle`` runner also takes one
        attempt that needs more than its whole capacity, if no other runner has that: it runs
        slowly, but it runs.
        """

        def work(tx: Transaction) -> list[Lease]:
            until = tx.now + int(self.lease_seconds * 1000)
            if capacity.slots > 0:
                leases = tx.runs.lease(runner_id, capacity, until)
                if leases or not idle:
                    return leases
                unbounded = replace(capacity, cpus=1e9, memory_mb=2**40, slots=1)
                return tx.runs.lease(runner_id, unbounded, until)
            return []

        return await self._storage.write(work)
