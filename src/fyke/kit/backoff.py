"""Exponential backoff with jitter, so that many clients do not retry at the same moment."""

from __future__ import annotations

import random


def delay(attempt: int, *, base: float, cap: float, jitter: float = 0.2) -> float:
    """Seconds to wait before try number ``attempt`` + 1 (the first failure is attempt 1).

    Doubles from ``base`` up to ``cap`` (seconds); ``jitter`` is the largest relative deviation.
    """
    mean = min(cap, base * 2.0 ** min(attempt - 1, 62))
    return mean * random.uniform(1 - jitter, 1 + jitter)  # noqa: S311 - spread, not secrecy
