"""Removes hosts to which no callback was sent for a day."""

from __future__ import annotations

import structlog

from fyke.contracts.state import Storage
from fyke.model.callback import HOST_KEPT_MS

log = structlog.get_logger()


class CallbackHostTimer:
    """Each pass removes all idle hosts, because callers can name any number of hosts."""

    seconds = 3600.0

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def tick(self) -> None:
        removed = await self._storage.write(
            lambda tx: tx.outbox.remove_idle_hosts(tx.now - HOST_KEPT_MS)
        )
        if removed:
            log.info("idle_callback_hosts_removed", count=removed)
