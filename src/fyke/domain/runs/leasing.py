"""Assigns waiting attempts to runners: the queue and the leases are rows of the state.

A runner takes attempts that fit into its free capacity. A lease is a row with a deadline and a
token, so no message broker is needed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from fyke.contracts.state import Transaction
from fyke.model.placement import ANYTHING, Placement
from fyke.model.runner import Capacity, Lease


def lease_waiting(
    tx: Transaction,
    runner_id: str,
    capacity: Capacity,
    until: int,
    *,
    idle: bool,
    node: str = "",
    placement: Placement = ANYTHING,
    spread: bool = False,
    environments: Collection[str] = (),
) -> list[Lease]:
    """Lease attempts that fit into the free ``capacity``, until this time in ms, to a runner on the
    machine ``node``, which takes runs with this ``placement``. An ``idle`` runner also takes one
    attempt that needs more than its whole capacity, if no other runner has that: it runs slowly,
    but it runs. ``spread``: there are others in its pool. ``environments``: the names of those that
    its machine has.
    """
    if capacity.slots <= 0:
        return []

    def lease(room: Capacity) -> list[Lease]:
        return tx.runs.lease(
            runner_id,
            room,
            until,
            node=node,
            placement=placement,
            spread=spread,
            environments=environments,
        )

    leases = lease(capacity)
    if leases or not idle or tx.runs.left_none:
        return leases
    return lease(replace(capacity, cpus=1e9, memory_mb=2**40, slots=1))
