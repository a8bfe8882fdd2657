"""Letting alert rules look at runs that have ended."""

from __future__ import annotations

import structlog

from fyke.contracts.signals import ALERTS, Signals
from fyke.domain.alerts.monitor import AlertMonitor
from fyke.kit.clock import Clock
from fyke.timers.signals import SignalTimer

log = structlog.get_logger()


class AlertTimer(SignalTimer):
    """Each run that ended is looked at once, in order."""

    def __init__(self, watch: AlertMonitor, signals: Signals, clock: Clock) -> None:
        super().__init__(signals, clock)
        self._watch = watch

    async def process_pending(self) -> tuple[float | None, frozenset[str]]:
        return await self._watch.process_pending(), frozenset({ALERTS})

    async def tidy(self) -> None:
        if removed := await self._watch.remove_old():
            log.info("old_alerts_removed", count=removed)
