"""Ending what a lost runner left behind: its leases lapse, its attempts fail with that reason."""

from __future__ import annotations

import structlog

from fyke.domain.runs.attempts import Attempts

log = structlog.get_logger()

SWEEP_SECONDS = 2.0


class LeaseTimer:
    """One pass ends every attempt whose lease has run out."""

    seconds = SWEEP_SECONDS

    def __init__(self, attempts: Attempts) -> None:
        self._attempts = attempts

    async def tick(self) -> None:
        ended = await self._attempts.end_lost()
        if ended:
            log.warning("lost_attempts_ended", count=ended)
