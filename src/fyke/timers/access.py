"""Removes expired sessions and one-time links, and old entries of the audit log."""

from __future__ import annotations

import structlog

from fyke.contracts.state import Storage
from fyke.domain.accounts.audit import KEEP_DAYS

log = structlog.get_logger()

DAY_MS = 24 * 3600 * 1000
BATCH = 1000


class AccessTimer:
    """Removes everything that is due in each pass, in batches. ``keep_days`` 0: entries of the
    audit log are kept for a year.
    """

    seconds = 600.0

    def __init__(self, storage: Storage, keep_days: int) -> None:
        self._storage = storage
        self._keep_ms = (keep_days or KEEP_DAYS) * DAY_MS

    async def tick(self) -> None:
        await self._storage.write(lambda tx: tx.links.remove_expired(tx.now))
        removed = BATCH
        while removed == BATCH:
            removed = await self._storage.write(
                lambda tx: tx.sessions.remove_expired(tx.now, BATCH)
            )
        entries, removed = 0, BATCH
        while removed == BATCH:
            removed = await self._storage.write(
                lambda tx: tx.audit.remove_before(tx.now - self._keep_ms, BATCH)
            )
            entries += removed
        if entries:
            log.info("old_audit_entries_removed", count=entries)
