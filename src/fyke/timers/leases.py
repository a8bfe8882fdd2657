"""Ends the attempts of lost runners, whose leases expire."""

from __future__ import annotations

import structlog

from fyke.domain.runs.attempts import Attempts

log = structlog.get_logger()

PASS_SECONDS = 2.0


class LeaseTimer:
    """Each pass ends all attempts whose lease has expired."""

    seconds = PASS_SECONDS

    def __init__(self, attempts: Attempts) -> None:
        self._attempts = attempts

    async def tick(self) -> None:
        ended = await self._attempts.end_lost()
        if ended:
            log.warning("lost_attempts_ended", count=ended)
