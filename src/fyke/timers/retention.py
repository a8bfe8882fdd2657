"""Forgetting runs that are older than the setting says: record, rows, logs, all of it; and what
was in the run queue until before that.
"""

from __future__ import annotations

import structlog

from fyke.contracts.state import Storage
from fyke.domain.runs.service import Runs

log = structlog.get_logger()

DAY_MS = 24 * 3600 * 1000
BATCH = 100


class RetentionTimer:
    """One pass removes a batch of finished runs that are past ``keep_days``."""

    seconds = 60.0

    def __init__(self, storage: Storage, runs: Runs, keep_days: int) -> None:
        self._storage = storage
        self._runs = runs
        self._keep_ms = keep_days * DAY_MS

    async def tick(self) -> None:
        old = await self._storage.read(
            lambda tx: tx.runs.finished_before(tx.now - self._keep_ms, BATCH)
        )
        for run_id in old:
            await self._runs.forget(run_id)
        if old:
            log.info("old_runs_removed", count=len(old))
        await self._storage.write(lambda tx: tx.queue.forget(tx.now - self._keep_ms, BATCH))
