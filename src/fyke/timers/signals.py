"""Timers that sleep until a signal comes or work is due; they clean up once an hour."""

from __future__ import annotations

from abc import ABC, abstractmethod

from fyke.contracts.signals import Signals
from fyke.kit.clock import Clock

# The longest delay after a jump of the clock or a lost signal.
MAX_SLEEP = 30.0
MIN_SLEEP = 0.05
CLEANUP_SECONDS = 3600.0


class SignalTimer(ABC):
    """Runs until cancelled; the subclass defines the work."""

    seconds = 0.0

    def __init__(self, signals: Signals, clock: Clock) -> None:
        self._signals = signals
        self._clock = clock
        self._cleaned_at: float | None = None

    @abstractmethod
    async def process_pending(self) -> tuple[float | None, frozenset[str]]:
        """Do what is due. Return the seconds until more is due (None = unknown), and the signals
        after which something may be due earlier.
        """

    @abstractmethod
    async def clean_up(self) -> None:
        """Remove old entries."""

    async def tick(self) -> None:
        """Work until cancelled. Listens before the first query, so that no signal is lost."""
        async with self._signals.listen() as listener:
            while True:
                seconds, topics = await self.process_pending()
                await self._clean_up_hourly()
                pause = MAX_SLEEP if seconds is None else min(MAX_SLEEP, seconds)
                await listener.wait(topics, max(MIN_SLEEP, pause))

    async def _clean_up_hourly(self) -> None:
        now = self._clock.monotonic()
        if self._cleaned_at is None or now - self._cleaned_at >= CLEANUP_SECONDS:
            self._cleaned_at = now
            await self.clean_up()
