"""Token buckets, one per caller, so that one caller does not delay the others."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

from fyke.kit.clock import Clock

# Beyond this many callers, the bucket that was used least recently is dropped.
MAX_BUCKETS = 20_000
BURST_SECONDS = 2  # seconds to fill a bucket: the burst is the rate times this


@dataclass(slots=True)
class RateShare:
    """The number of servers that share the limits; each applies an equal part of them."""

    servers: int = 1

    def counted(self, servers: int) -> None:
        """Set the number of servers."""
        self.servers = max(1, servers)


class TokenBuckets:
    """``rate`` requests per second on average and ``burst`` at once, for each key. A rate of 0
    means no limit.

    A key may have its own rate, with a burst of ``BURST_SECONDS`` times that rate.
    """

    def __init__(
        self, rate: float, burst: int, clock: Clock, share: RateShare | None = None
    ) -> None:
        self._rate = rate
        self._burst = float(max(burst, 1))
        self._clock = clock
        self._share = share or RateShare()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    @property
    def rate(self) -> float:
        """The rate of keys without their own, on all servers together."""
        return self._rate

    def take(self, key: str, own_rate: float = 0) -> float:
        """Take one token of ``key``; return 0, or the seconds until the next token."""
        rate, burst = self._limits(own_rate)
        if rate <= 0:
            return 0.0
        now = self._clock.monotonic()
        tokens = self._tokens(key, now, rate, burst)
        wait = 0.0
        if tokens >= 1:
            tokens -= 1
        else:
            wait = (1 - tokens) / rate
        self._buckets[key] = (tokens, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return wait

    def debit(self, key: str, cost: int, own_rate: float = 0) -> float:
        """Take ``cost`` more tokens from ``key`` after a ``take``, even more than it has: the next
        ``take`` waits until the debt is paid. Return 0, or, if there already is a debt, the seconds
        until the next token; then none is taken.
        """
        rate, burst = self._limits(own_rate)
        if rate <= 0:
            return 0.0
        now = self._clock.monotonic()
        tokens = self._tokens(key, now, rate, burst)
        if tokens < 0:
            return (1 - tokens) / rate
        self._buckets[key] = (tokens - cost, now)
        return 0.0

    def peek(self, key: str) -> float:
        """The result of ``take`` without taking a token."""
        rate, burst = self._limits(0)
        if rate <= 0:
            return 0.0
        tokens = self._tokens(key, self._clock.monotonic(), rate, burst)
        return 0.0 if tokens >= 1 else (1 - tokens) / rate

    def fields(self, key: str, own_rate: float = 0) -> tuple[tuple[bytes, bytes], ...]:
        """The response headers ``RateLimit-Policy`` and ``RateLimit`` of ``key`` after a ``take``:
        the limit, and the remaining requests with the seconds until the bucket is full.
        """
        rate, burst = self._limits(own_rate)
        if rate <= 0:
            return ()
        tokens, _ = self._buckets.get(key, (burst, 0.0))
        full = math.ceil((burst - tokens) / rate)
        return (
            (b"ratelimit-policy", b'"default";q=%d;w=%d' % (burst, math.ceil(burst / rate))),
            (b"ratelimit", b'"default";r=%d;t=%d' % (max(0, tokens), full)),
        )

    def _limits(self, own_rate: float) -> tuple[float, float]:
        """The rate and burst of this server."""
        servers = self._share.servers
        if own_rate:
            return own_rate / servers, max(1.0, own_rate * BURST_SECONDS / servers)
        return self._rate / servers, max(1.0, self._burst / servers)

    def _tokens(self, key: str, now: float, rate: float, burst: float) -> float:
        tokens, updated_at = self._buckets.get(key, (burst, now))
        return min(burst, tokens + (now - updated_at) * rate)
