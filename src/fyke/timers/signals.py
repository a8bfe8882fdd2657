"""Timers that sleep until the bell rings: they work off what is due, and tidy up once an hour."""

from __future__ import annotations

from abc import ABC, abstractmethod

from fyke.contracts.signals import Signals
from fyke.kit.clock import Clock

# A clock that jumps, or a ring that is lost, costs no more than this.
LONGEST_SLEEP = 30.0
SHORTEST_SLEEP = 0.05
TIDY_SECONDS = 3600.0


class SignalTimer(ABC):
    """Works for ever; what its work is says the class."""

    seconds = 0.0

    def __init__(self, signals: Signals, clock: Clock) -> None:
        self._signals = signals
        self._clock = clock
        self._tidied: float | None = None

    @abstractmethod
    async def work_off(self) -> tuple[float | None, frozenset[str]]:
        """Do what is due; return the seconds until more is (None: not known), and what may ring
        before that.
        """

    @abstractmethod
    async def tidy(self) -> None:
        """Remove what is too old."""

    async def tick(self) -> None:
        """Work until cancelled. Listens before it looks, so that no ring is lost between."""
        async with self._signals.listen() as ear:
            while True:
                rest, topics = await self.work_off()
                await self._tidy()
                pause = LONGEST_SLEEP if rest is None else min(LONGEST_SLEEP, rest)
                await ear.wait(topics, max(SHORTEST_SLEEP, pause))

    async def _tidy(self) -> None:
        now = self._clock.monotonic()
        if self._tidied is None or now - self._tidied >= TIDY_SECONDS:
            self._tidied = now
            await self.tidy()
