"""Letting alert rules look at runs that have ended: asleep until the bell rings."""

from __future__ import annotations

import structlog

from fyke.domain.alerts.watch import AlertWatch
from fyke.domain.contracts import ALERTS, Doorbell
from fyke.kit.clock import Clock

log = structlog.get_logger()

LONGEST_SLEEP = 30.0  # a ring that is lost costs no more than this
SHORTEST_SLEEP = 0.05
TIDY_SECONDS = 3600.0


class AlertTimer:
    """Works off what waits, for ever."""

    seconds = 0.0

    def __init__(self, watch: AlertWatch, doorbell: Doorbell, clock: Clock) -> None:
        self._watch = watch
        self._doorbell = doorbell
        self._clock = clock
        self._tidied: float | None = None

    async def tick(self) -> None:
        """Look until cancelled. Listens before it looks, so that no ring is lost between."""
        async with self._doorbell.listen() as ear:
            while True:
                rest = await self._watch.work_off()
                await self._tidy()
                pause = LONGEST_SLEEP if rest is None else max(SHORTEST_SLEEP, rest)
                await ear.wait(frozenset({ALERTS}), min(LONGEST_SLEEP, pause))

    async def _tidy(self) -> None:
        now = self._clock.monotonic()
        if self._tidied is None or now - self._tidied >= TIDY_SECONDS:
            self._tidied = now
            if removed := await self._watch.forget_old():
                log.info("old_alerts_removed", count=removed)
