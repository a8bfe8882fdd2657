"""Timers that sleep until a signal comes: they do what is due, and clean up once an hour."""

from __future__ import annotations

from abc import ABC, abstractmethod

from fyke.contracts.signals import Signals
from fyke.kit.clock import Clock

# A clock that jumps, or a signal that is lost, delays no more than this.
MAX_SLEEP = 30.0
MIN_SLEEP = 0.05
TIDY_SECONDS = 3600.0


class SignalTimer(ABC):
    """Runs until cancelled; the subclass defines the work."""

    seconds = 0.0

    def __init__(self, signals: Signals, clock: Clock) -> None:
        self._signals = signals
        self._clock = clock
        self._tidied: float | None = None

    @abstractmethod
    async def process_pending(self) -> tuple[float | None, frozenset[str]]:
        """Do what is due; return the seconds until more is (None: not known), and the
        signals that may come before that.
        """

    @abstractmethod
    async def tidy(self) -> None:
        """Remove what is too old."""

    async def tick(self) -> None:
        """Work until cancelled. Listens before the first query, so that no signal is lost."""
        async with self._signals.listen() as listener:
            while True:
                rest, topics = await self.process_pending()
                await self._tidy()
                pause = MAX_SLEEP if rest is None else min(MAX_SLEEP, rest)
                await listener.wait(topics, max(MIN_SLEEP, pause))

    async def _tidy(self) -> None:
        now = self._clock.monotonic()
        if self._tidied is None or now - self._tidied >= TIDY_SECONDS:
            self._tidied = now
            await self.tidy()
