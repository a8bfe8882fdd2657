"""Runs with waiting subtasks, and leases of them, for tests of the storage."""

from __future__ import annotations

from typing import Any

from fyke.contracts.state import Transaction
from fyke.model.run import Run
from fyke.model.runner import Capacity
from support import records

State = Any
WIDE = Capacity(cpus=64, memory_mb=2**20, slots=100)


async def seeded(state: State, parts: int = 1, /, **changes: Any) -> Run:
    def work(tx: Transaction) -> Run:
        owner, worker_id = records.seed(tx)
        return records.seed_run(tx, owner, worker_id, parts, **changes)

    run: Run = await state.write(work)
    return run


async def leased(state: State, room: Capacity = WIDE, runner: str = "r1", until: int = 100) -> Any:
    return await state.write(lambda tx: tx.runs.lease(runner, room, until))
