"""Token buckets, one per caller, so that one caller's flood does not become everybody's wait."""

from __future__ import annotations

from collections import OrderedDict

from fyke.kit.clock import Clock

# Beyond this many callers the one unseen for longest is forgotten, and with it what it had used.
MAX_BUCKETS = 20_000


class TokenBuckets:
    """``rate`` requests a second on average and ``burst`` at once, for each key. 0 is no limit."""

    def __init__(self, rate: float, burst: int, clock: Clock) -> None:
        self._rate = rate
        self._burst = float(max(burst, 1))
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> float:
        """Take one token of ``key``; return 0, or the seconds until there is one again."""
        if self._rate <= 0:
            return 0.0
        now = self._clock.monotonic()
        tokens = self._tokens(key, now)
        wait = 0.0
        if tokens >= 1:
            tokens -= 1
        else:
            wait = (1 - tokens) / self._rate
        self._buckets[key] = (tokens, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return wait

    def peek(self, key: str) -> float:
        """As ``take``, but leaves the token where it is."""
        if self._rate <= 0:
            return 0.0
        tokens = self._tokens(key, self._clock.monotonic())
        return 0.0 if tokens >= 1 else (1 - tokens) / self._rate

    def _tokens(self, key: str, now: float) -> float:
        tokens, seen = self._buckets.get(key, (self._burst, now))
        return min(self._burst, tokens + (now - seen) * self._rate)
