"""When a failed callback is retried: ten tries over about 75 hours.

The first retries follow soon, for a receiver that was restarting; the last are a day apart, for one
whose operators were away over a long weekend.
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
JITTER = 0.1  # relative variation of a wait, so that retries are spread


def longest_waits() -> list[float]:
    """The longest wait in seconds after 0, 1, 2 ... failed tries."""
    return [0.0, *(wait * (1 + JITTER) for wait in WAITS)]


def next_delay(tries: int) -> float | None:
    """Seconds to wait after ``tries`` failed tries; None after the last one."""
    if tries < 1:
        raise ValueError(f"tries must be at least 1, got {tries}")
    if tries > len(WAITS):
        return None
    spread = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - not for secrets
    return WAITS[tries - 1] * spread
