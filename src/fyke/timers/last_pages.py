"""Removes the last pages of runs after ``browser_keep_days``."""

from __future__ import annotations

import structlog

from fyke.domain.runs.last_pages import LastPages

log = structlog.get_logger()

DAY_MS = 24 * 3600 * 1000


class LastPageTimer:
    """Each pass removes all old pages, in batches."""

    seconds = 3600.0

    def __init__(self, pages: LastPages, keep_days: int) -> None:
        self._pages = pages
        self._keep_ms = keep_days * DAY_MS

    async def tick(self) -> None:
        while removed := await self._pages.remove_old(self._keep_ms):
            log.info("last_pages_removed", count=removed)
