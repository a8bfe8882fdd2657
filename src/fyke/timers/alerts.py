"""Checks ended runs against the alert rules."""

from __future__ import annotations

import structlog

from fyke.contracts.signals import ALERTS, Signals
from fyke.domain.alerts.monitor import AlertMonitor
from fyke.kit.clock import Clock
from fyke.timers.signals import SignalTimer

log = structlog.get_logger()


class AlertTimer(SignalTimer):
    """Each ended run is checked once, in order."""

    def __init__(self, monitor: AlertMonitor, signals: Signals, clock: Clock) -> None:
        super().__init__(signals, clock)
        self._monitor = monitor

    async def process_pending(self) -> tuple[float | None, frozenset[str]]:
        return await self._monitor.process_pending(), frozenset({ALERTS})

    async def clean_up(self) -> None:
        if removed := await self._monitor.remove_old():
            log.info("old_alerts_removed", count=removed)
