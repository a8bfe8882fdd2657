"""Starting what is scheduled, when its planned time has come."""

from __future__ import annotations

from fyke.contracts.signals import SCHEDULES, Signals
from fyke.domain.schedules.firing import Firing
from fyke.kit.clock import Clock
from fyke.timers.signals import SignalTimer


class ScheduleTimer(SignalTimer):
    """A change of a schedule rings, and so does the end of a run that one waits for."""

    def __init__(self, firing: Firing, signals: Signals, clock: Clock) -> None:
        super().__init__(signals, clock)
        self._firing = firing

    async def work_off(self) -> tuple[float | None, frozenset[str]]:
        rest = await self._firing.work_off()
        return rest.seconds, rest.topics | {SCHEDULES}

    async def tidy(self) -> None:
        await self._firing.forget_old()
