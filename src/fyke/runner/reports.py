"""Reports what an attempt has counted when it has changed, at most every five seconds.

Each report is a database write: an attempt has counters for up to 201 sites, and those of its
browser. Changes after the last report are part of the report at the attempt's end. What the Worker
says of its progress is one small write, and is reported with every renewal of the lease.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

EVERY_SECONDS = 5.0

T = TypeVar("T")


class Reports(Generic[T]):
    """The reports of one attempt; ``read`` returns its current counters, which are equal to
    ``initial`` as long as there is nothing to report.
    """

    def __init__(
        self, read: Callable[[], T], initial: T, every_seconds: float = EVERY_SECONDS
    ) -> None:
        self._read = read
        self._every_seconds = every_seconds
        self._confirmed = initial
        self._next = 0.0  # seconds, on the clock of ``due``

    def due(self, now: float) -> T | None:
        """Return what to report at ``now`` (monotonic seconds), or None."""
        if now < self._next:
            return None
        counters = self._read()
        if counters == self._confirmed:
            return None
        self._next = now + self._every_seconds
        return counters

    def confirm(self, counters: T | None) -> None:
        """Note that ``counters`` were stored; until then the report is repeated."""
        if counters is not None:
            self._confirmed = counters
