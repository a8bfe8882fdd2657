"""A store of rows in memory that tests can block, make fail and inspect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fyke.domain.results.intake import Intake
from fyke.kit.clock import ManualClock
from fyke.model.results import AttemptBatch, RunTotals


class BlockableResults:
    """Implements ``AttemptRows``. Commits wait for ``unblocked``, then raise ``failures``."""

    def __init__(self) -> None:
        self.unblocked = asyncio.Event()
        self.unblocked.set()
        self.committing = asyncio.Event()
        self.failures: list[Exception] = []
        self.poison: str = ""  # an attempt whose batches always fail
        self.batches: list[list[AttemptBatch]] = []
        self.counted: list[str] = []  # runs whose totals were read
        self.closed: set[str] = set()
        self.upserted: dict[tuple[str, str, str], int] = {}
        self.stored: list[tuple[str, str, bytes]] = []

    async def open(self, run_id: str, attempt_id: str) -> None:
        """Nothing to do."""

    async def append(self, batch: AttemptBatch) -> bool | None:
        return None

    async def commit(self, batches: Sequence[AttemptBatch]) -> list[bool]:
        self.committing.set()
        await self.unblocked.wait()
        if self.failures:
            raise self.failures.pop(0)
        if any(batch.attempt_id == self.poison for batch in batches):
            raise ValueError("poison")
        self.batches.append(list(batches))
        return [self._take(batch) for batch in batches]

    def _take(self, batch: AttemptBatch) -> bool:
        if batch.attempt_id in self.closed:
            return False
        for row in batch.rows:
            mark = (batch.run_id, row.upsert_key, row.upsert_value)
            if row.upsert_key and mark in self.upserted:
                continue
            self.upserted[mark] = 1
            self.stored.append((batch.run_id, batch.attempt_id, row.data))
        return True

    async def close(self, attempt_id: str) -> int:
        if self.failures:
            raise self.failures.pop(0)
        self.closed.add(attempt_id)
        return sum(1 for _, attempt, _ in self.stored if attempt == attempt_id)

    async def totals(self, run_id: str) -> RunTotals:
        self.counted.append(run_id)
        rows = [data for run, _, data in self.stored if run == run_id]
        return RunTotals(len(rows), sum(map(len, rows)))

    @property
    def lines(self) -> list[str]:
        return [entry.content for batches in self.batches for b in batches for entry in b.log]


@asynccontextmanager
async def running(results: BlockableResults) -> AsyncIterator[Intake]:
    intake = Intake(results, ManualClock())
    task = asyncio.create_task(intake.run())
    try:
        yield intake
    finally:
        results.unblocked.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)
