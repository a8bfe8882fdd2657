"""Starting what is scheduled, when its planned time has come."""

from __future__ import annotations

from fyke.contracts import SCHEDULES, Doorbell
from fyke.domain.schedules.firing import Firing
from fyke.kit.clock import Clock
from fyke.timers.bell import BellTimer


class ScheduleTimer(BellTimer):
    """A change of a schedule rings, and so does the end of a run that one waits for."""

    def __init__(self, firing: Firing, doorbell: Doorbell, clock: Clock) -> None:
        super().__init__(doorbell, clock)
        self._firing = firing

    async def work_off(self) -> tuple[float | None, frozenset[str]]:
        rest = await self._firing.work_off()
        return rest.seconds, rest.topics | {SCHEDULES}

    async def tidy(self) -> None:
        await self._firing.forget_old()
