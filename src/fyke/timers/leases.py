"""Ends the attempts of lost runners, whose leases expire."""

from __future__ import annotations

import asyncio

import structlog

from fyke.domain.runs.attempts import Attempts
from fyke.domain.runs.leases import LeaseWatch
from fyke.errors import FykeError
from fyke.kit.clock import Clock

log = structlog.get_logger()

PASS_SECONDS = 2.0
# how long a pass waits until the attempts are ended; the rest is ended in the background
END_SECONDS = 1.0


class LeaseTimer:
    """Each pass ends all attempts whose lease has expired. ``term`` is how many seconds a lease is
    valid. A pass that cannot write the state gives every lease a full new term, because runners
    cannot renew their leases then either.
    """

    seconds = PASS_SECONDS

    def __init__(self, attempts: Attempts, term: float, clock: Clock) -> None:
        self._attempts = attempts
        self._watch = LeaseWatch(term)
        self._clock = clock
        self._ending: dict[str, asyncio.Task[int]] = {}  # by attempt

    async def tick(self) -> None:
        began = self._clock.monotonic()
        try:
            leases = await self._attempts.check_leases()
        except Exception:
            self._watch.restart()
            raise
        expired = self._watch.expired(leases, began, self._clock.monotonic())
        if ended := await self._end(expired):
            log.warning("lost_attempts_ended", count=ended)

    async def _end(self, expired: dict[str, int]) -> int:
        """End each attempt separately: one whose rows are locked delays neither the others nor the
        next check of the leases. Return how many have ended.
        """
        self._ending = {name: task for name, task in self._ending.items() if not task.done()}
        new = {
            name: asyncio.create_task(self._end_one(name, until))
            for name, until in expired.items()
            if name not in self._ending
        }
        if not new:
            return 0
        self._ending |= new
        done, _ = await asyncio.wait(new.values(), timeout=END_SECONDS)
        return sum(task.result() for task in done)

    async def _end_one(self, name: str, until: int) -> int:
        """Return how many have ended. After a failure the lease gets a full new term."""
        try:
            return int(await self._attempts.end_expired(name, until))
        except Exception as error:
            self._watch.restart(name)
            unforeseen = not isinstance(error, FykeError)
            log.warning(
                "lost_attempt_not_ended", attempt=name, error=str(error), exc_info=unforeseen
            )
            return 0
