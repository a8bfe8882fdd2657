"""Whether the event loop writes to the journal, or waits for the thread that does."""

from __future__ import annotations

import time
from collections.abc import Callable

SLOW_SECONDS = 0.02  # of one write or flush
SLOW_FLUSHES_SECONDS = 0.0005  # of a flush on average
AVERAGED = 16  # flushes
AVOID_SECONDS = 1.0  # after a slow write or flush
ALONE_SECONDS = 0.1  # for which no other attempt pushed


class Pace:
    """The way of a row to a thread and back takes several times as long as its write, and longer
    than a flush of a fast disk. After a slow write, threads write for a while. With ``durable``,
    each write is flushed, and the loop waits only for flushes that are fast, and only those of an
    attempt that pushes alone: otherwise a thread flushes what several have pushed at once.
    """

    def __init__(self, *, durable: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._durable = durable
        self._clock = clock
        self._latest = ""
        self._alone_from = 0.0
        self._average = 0.0
        self._slow_until = 0.0

    def allows(self, attempt_id: str) -> bool:
        """Whether the loop may write a record of this attempt now, or wait for its flush."""
        now = self._clock()
        if self._durable and (
            attempt_id != self._latest
            or now < self._alone_from
            or self._average > SLOW_FLUSHES_SECONDS
        ):
            return False
        return now >= self._slow_until

    def count(self, attempt_id: str) -> None:
        """Count a record of this attempt."""
        if attempt_id != self._latest:
            self._latest, self._alone_from = attempt_id, self._clock() + ALONE_SECONDS

    def measure(self, seconds: float) -> None:
        """A write took this time, with its flush if ``durable``."""
        if self._durable:
            self._average += (seconds - self._average) / AVERAGED
        if seconds > SLOW_SECONDS:
            self._slow_until = self._clock() + AVOID_SECONDS
