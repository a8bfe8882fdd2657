"""Starts scheduled runs when they are due."""

from __future__ import annotations

from fyke.contracts.signals import SCHEDULES, Signals
from fyke.domain.schedules.firing import Firing
from fyke.kit.clock import Clock
from fyke.timers.signals import SignalTimer


class ScheduleTimer(SignalTimer):
    """Wakes also when a schedule changes and when a run ends for which a schedule waits."""

    def __init__(self, firing: Firing, signals: Signals, clock: Clock) -> None:
        super().__init__(signals, clock)
        self._firing = firing

    async def process_pending(self) -> tuple[float | None, frozenset[str]]:
        pause = await self._firing.process_pending()
        return pause.seconds, pause.topics | {SCHEDULES}

    async def clean_up(self) -> None:
        await self._firing.remove_old()
