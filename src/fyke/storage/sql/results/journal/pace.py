"""Whether the event loop writes to the journal itself, because that is quicker than a thread."""

from __future__ import annotations

import time
from collections.abc import Callable

SLOW_SECONDS = 0.02  # of one write or flush
SLOW_FLUSHES_SECONDS = 0.001  # of a flush on average; the loop waits meanwhile
AVERAGED = 16  # flushes
AVOID_SECONDS = 1.0  # for which threads write after slow ones
ALONE_SECONDS = 0.1  # for which no other attempt pushed


class Pace:
    """Handing a row to a thread costs several times as much as writing it, and about as much as a
    flush of a fast disk. After slow writes or flushes, threads write for a while. With ``durable``,
    each write is flushed, and the loop writes only for an attempt that pushes alone: otherwise a
    thread flushes what several have pushed at once.
    """

    def __init__(self, *, durable: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._durable = durable
        self._clock = clock
        self._latest = ""
        self._alone_from = 0.0
        self._average = 0.0
        self._slow_until = 0.0

    def allows(self, attempt_id: str) -> bool:
        """Whether the loop may write a record of this attempt now."""
        now = self._clock()
        if self._durable and (attempt_id != self._latest or now < self._alone_from):
            return False
        return now >= self._slow_until

    def count(self, attempt_id: str) -> None:
        """Count a record of this attempt."""
        if attempt_id != self._latest:
            self._latest, self._alone_from = attempt_id, self._clock() + ALONE_SECONDS

    def measure(self, seconds: float) -> None:
        """The loop has written a record, and flushed it if ``durable``, in this time."""
        if self._durable:
            self._average += (seconds - self._average) / AVERAGED
        if seconds > SLOW_SECONDS or self._average > SLOW_FLUSHES_SECONDS:
            self._slow_until = self._clock() + AVOID_SECONDS
            self._average = 0.0
