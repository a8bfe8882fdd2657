"""Waiting times that grow, with jitter, so that many waiters do not come back together."""

from __future__ import annotations

import random


def delay(attempt: int, *, base: float, cap: float, jitter: float = 0.2) -> float:
    """Seconds to wait before try number ``attempt`` + 1 (the first failure is attempt 1).

    Doubles from ``base`` up to ``cap``; ``jitter`` is the share by which it may differ both ways.
    """
    exact = min(cap, base * 2.0 ** min(attempt - 1, 62))
    return exact * random.uniform(1 - jitter, 1 + jitter)  # noqa: S311 - spread, not secrecy
