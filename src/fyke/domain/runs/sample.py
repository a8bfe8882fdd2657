"""Points of the curve of what a run uses, and when it is time for the next one.

A run of a minute and one of a week have about as many: at ``MOST`` points every second one goes,
and from then on they are taken further apart.
"""

from __future__ import annotations

from dataclasses import dataclass

MOST = 300
APART_MS = 900  # a little less than the second between two reports, which come now early, now late
_PARTS = 200  # a new point is at least this part of the whole span behind the last one


@dataclass(frozen=True, slots=True)
class Sample:
    """What a run had used at a moment. ``memory_bytes`` is what its attempts held then; the other
    figures are sums since its start, of all its attempts.
    """

    run_id: str
    at: int  # ms since the epoch
    cpu_ms: int
    memory_bytes: int
    traffic_bytes: int
    rows: int  # pushed, whether they are shown or not


@dataclass(frozen=True, slots=True)
class Span:
    """The points that there are: how many, and when the first and the last were taken."""

    count: int = 0
    first_at: int = 0
    last_at: int = 0


def due(span: Span, now: int) -> bool:
    """Whether it is time for another point."""
    if not span.count:
        return True
    return now - span.last_at >= max(APART_MS, (span.last_at - span.first_at) // _PARTS)
