"""Forgets nodes that an engine has made and that have ended without leaving."""

from __future__ import annotations

import structlog

from fyke.contracts.state import Storage
from fyke.domain.nodes.leaving import forget_silent

log = structlog.get_logger()


class SilentNodeTimer:
    """Each pass removes all of them."""

    seconds = 3600.0

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def tick(self) -> None:
        if removed := await forget_silent(self._storage):
            log.info("silent_nodes_forgotten", count=removed)
