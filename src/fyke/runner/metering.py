"""How long a Worker runs, and its memory over time.

Both use the monotonic clock of the runner (``CLOCK_MONOTONIC``): clock changes do not affect it,
and it stops while the machine is suspended.

Memory over time is the integral of a Worker's memory use. The kernel adds up CPU time, but for
memory it reports only the current and the peak use. So the current use is sampled, and the interval
between two samples counts with their mean.
"""

from __future__ import annotations

_MIB = 2**20
MAX_GAP_SECONDS = 3.0


class Stopwatch:
    """How long a Worker has run; seconds by the monotonic clock, in order of time.

    The time between two readings does not count when it is longer than ``MAX_GAP_SECONDS``: the
    runner was stopped or its virtual machine was paused, and the Worker usually with it.
    """

    def __init__(self, start: float) -> None:
        self._at = start
        self._seconds = 0.0
        self._ended = False

    def read(self, at: float) -> float:
        """The seconds until ``at``, or until the end."""
        if not self._ended:
            passed = at - self._at
            self._seconds += passed if 0 < passed <= MAX_GAP_SECONDS else 0.0
            self._at = max(at, self._at)
        return self._seconds

    def end(self, at: float) -> None:
        """Record the end of the Worker."""
        self.read(at)
        self._ended = True


class MemoryMeter:
    """Takes samples in order of time; seconds by any monotonic clock, sizes in bytes.

    The Worker starts at ``start``. The interval to the first sample counts with that sample, since
    a program takes most of its memory at once. The last interval counts with the last sample,
    because an ended process uses no memory. A Worker that ends before the first sample counts with
    its peak.
    """

    def __init__(self, start: float) -> None:
        self._at = start
        self._level = 0
        self._samples = 0
        self._sum = 0.0  # bytes times seconds

    def sample(self, at: float, used: int) -> None:
        """Record that ``used`` bytes are in use at ``at``."""
        self._add(at, (self._level + used) / 2 if self._samples else used)
        self._level = used
        self._samples += 1

    def end(self, at: float, peak: int) -> None:
        """Record the end of the Worker; ``peak`` is its highest use."""
        self._add(at, self._level if self._samples else peak)

    def _add(self, at: float, level: float) -> None:
        self._sum += max(0.0, at - self._at) * level
        self._at = max(at, self._at)

    @property
    def mb_ms(self) -> int:
        """MiB times milliseconds so far."""
        return round(self._sum * 1000 / _MIB)
