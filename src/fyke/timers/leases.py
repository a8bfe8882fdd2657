"""Ends the attempts of lost runners, whose leases expire."""

from __future__ import annotations

import structlog

from fyke.domain.runs.attempts import Attempts
from fyke.domain.runs.leases import LeaseWatch
from fyke.kit.clock import Clock

log = structlog.get_logger()

PASS_SECONDS = 2.0


class LeaseTimer:
    """Each pass ends all attempts whose lease has expired. ``term`` is how many seconds a lease is
    valid.
    """

    seconds = PASS_SECONDS

    def __init__(self, attempts: Attempts, term: float, clock: Clock) -> None:
        self._attempts = attempts
        self._watch = LeaseWatch(term)
        self._clock = clock

    async def tick(self) -> None:
        began = self._clock.monotonic()
        leases = await self._attempts.leases()
        expired = self._watch.expired(leases, began, self._clock.monotonic())
        ended = await self._attempts.end_expired(expired) if expired else 0
        if ended:
            log.warning("lost_attempts_ended", count=ended)
