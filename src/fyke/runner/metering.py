"""Memory over time: what a Worker held, times how long it held it, from looks at its counter.

The kernel counts cpu by itself, but of memory it tells only the present and the highest use. So
somebody has to look again and again, and the stretch between two looks counts with their mean.
"""

from __future__ import annotations

_MIB = 2**20


class MemoryMeter:
    """Fed with looks in order of time; seconds by any clock that never goes back, sizes in bytes.

    The Worker begins at ``start``; the stretch to the first look counts with what that finds, since
    a program takes most of its memory at once. Of the last stretch only its beginning is known,
    because what has ended holds nothing any more: it counts with that. A Worker that ended before
    the first look counts with the most that it held.
    """

    def __init__(self, start: float) -> None:
        self._at = start
        self._level = 0
        self._looks = 0
        self._sum = 0.0  # bytes times seconds

    def look(self, at: float, held: int) -> None:
        """It holds ``held`` bytes now."""
        self._add(at, (self._level + held) / 2 if self._looks else held)
        self._level = held
        self._looks += 1

    def end(self, at: float, peak: int) -> None:
        """It has ended; ``peak`` is the most that it held."""
        self._add(at, self._level if self._looks else peak)

    def _add(self, at: float, level: float) -> None:
        self._sum += max(0.0, at - self._at) * level
        self._at = max(at, self._at)

    @property
    def mb_ms(self) -> int:
        """MiB times milliseconds so far."""
        return round(self._sum * 1000 / _MIB)
