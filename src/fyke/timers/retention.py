"""Deletes runs that ended more than ``keep_days`` ago, with their rows and logs, and queue items
that were started or released before that time.
"""

from __future__ import annotations

import structlog

from fyke.contracts.state import Storage
from fyke.domain.runs.service import Runs

log = structlog.get_logger()

DAY_MS = 24 * 3600 * 1000
BATCH = 100


class RetentionTimer:
    """Each pass deletes a batch of runs that ended more than ``keep_days`` days ago."""

    seconds = 60.0

    def __init__(self, storage: Storage, runs: Runs, keep_days: int) -> None:
        self._storage = storage
        self._runs = runs
        self._keep_ms = keep_days * DAY_MS

    async def tick(self) -> None:
        run_ids = await self._storage.read(
            lambda tx: tx.runs.finished_before(tx.now - self._keep_ms, BATCH)
        )
        for run_id in run_ids:
            await self._runs.remove(run_id)
        if run_ids:
            log.info("old_runs_removed", count=len(run_ids))
        await self._storage.write(lambda tx: tx.queue.remove_ended(tx.now - self._keep_ms, BATCH))
