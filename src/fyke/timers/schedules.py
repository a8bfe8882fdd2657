"""Starting what is scheduled: asleep until the next planned time, or until the bell rings."""

from __future__ import annotations

from fyke.domain.contracts import SCHEDULES, Doorbell
from fyke.domain.schedules.firing import Firing, Rest
from fyke.kit.clock import Clock

# A clock that jumps, or a ring that is lost, costs no more than this.
LONGEST_SLEEP = 30.0
TIDY_SECONDS = 3600.0


class ScheduleTimer:
    """Works off what is due, for ever."""

    seconds = 0.0

    def __init__(self, firing: Firing, doorbell: Doorbell, clock: Clock) -> None:
        self._firing = firing
        self._doorbell = doorbell
        self._clock = clock
        self._tidied: float | None = None

    async def tick(self) -> None:
        """Fire until cancelled. Listens before it looks, so that no ring is lost between."""
        async with self._doorbell.listen() as ear:
            while True:
                rest = await self._firing.work_off()
                await self._tidy()
                await ear.wait(rest.topics | {SCHEDULES}, _pause(rest))

    async def _tidy(self) -> None:
        now = self._clock.monotonic()
        if self._tidied is None or now - self._tidied >= TIDY_SECONDS:
            self._tidied = now
            await self._firing.forget_old()


def _pause(rest: Rest) -> float:
    return LONGEST_SLEEP if rest.seconds is None else min(LONGEST_SLEEP, rest.seconds)
