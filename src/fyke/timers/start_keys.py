"""Removes idempotency keys of starts that are older than a day."""

from __future__ import annotations

import structlog

from fyke.contracts.state import Storage

log = structlog.get_logger()

BATCH = 1000


class StartKeyTimer:
    """Each pass removes all expired keys, in batches."""

    seconds = 60.0

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def tick(self) -> None:
        removed = BATCH
        while removed == BATCH:
            removed = await self._storage.write(
                lambda tx: tx.start_keys.remove_expired(tx.now, BATCH)
            )
            if removed:
                log.info("old_start_keys_removed", count=removed)
