"""Starts scheduled runs when they are due."""

from __future__ import annotations

from fyke.contracts.signals import SCHEDULES, Signals
from fyke.domain.schedules.firing import Firing
from fyke.kit.clock import Clock
from fyke.timers.signals import SignalTimer


class ScheduleTimer(SignalTimer):
    """Woken by a change of a schedule, and by the end of a run that a schedule waits for."""

    def __init__(self, firing: Firing, signals: Signals, clock: Clock) -> None:
        super().__init__(signals, clock)
        self._firing = firing

    async def process_pending(self) -> tuple[float | None, frozenset[str]]:
        rest = await self._firing.process_pending()
        return rest.seconds, rest.topics | {SCHEDULES}

    async def tidy(self) -> None:
        await self._firing.remove_old()
