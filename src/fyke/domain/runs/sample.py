"""Points of the curve of what a run uses, and when it is time for the next one.

A run of a minute and one of a week have about as many: at ``MOST`` points every second one goes,
and from then on they are taken further apart.
"""

from __future__ import annotations

from fyke.model.run import SampleSpan

MOST = 300
APART_MS = 900  # a little less than the second between two reports, which come now early, now late
_PARTS = 200  # a new point is at least this part of the whole span behind the last one


def due(span: SampleSpan, now: int) -> bool:
    """Whether it is time for another point."""
    if not span.count:
        return True
    return now - span.last_at >= max(APART_MS, (span.last_at - span.first_at) // _PARTS)
