"""Removes uploads that were not used for two weeks."""

from __future__ import annotations

import structlog

from fyke.domain.uploads.service import Uploads

log = structlog.get_logger()


class UploadTimer:
    """Each pass removes all old uploads, in batches."""

    seconds = 3600.0

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    async def tick(self) -> None:
        while removed := await self._uploads.remove_old():
            log.info("old_uploads_removed", count=removed)
