"""When a callback that was not taken is tried again: ten tries over about 75 hours.

The first repeats come soon, for a receiver that was just restarting; the last are a day apart,
for one whose owner was away for a long weekend.
"""

from __future__ import annotations

import random

_MINUTE, _HOUR = 60.0, 3600.0
WAITS = (
    5.0,
    5 * _MINUTE,
    30 * _MINUTE,
    2 * _HOUR,
    5 * _HOUR,
    10 * _HOUR,
    14 * _HOUR,
    20 * _HOUR,
    23 * _HOUR,
)
JITTER = 0.1  # share by which a wait differs both ways, so that many do not come back together


def next_delay(tries: int) -> float | None:
    """Seconds to wait after ``tries`` failed tries; None when the schedule is used up."""
    if tries < 1:
        raise ValueError("next_delay is asked after a try, so tries is at least 1")
    if tries > len(WAITS):
        return None
    spread = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spread, not secrecy
    return WAITS[tries - 1] * spread
