"""Buckets that fill with time."""

from __future__ import annotations

from fyke.api import ratelimit
from fyke.api.ratelimit import TokenBuckets
from fyke.kit.clock import ManualClock


def test_a_burst_then_the_rate() -> None:
    clock = ManualClock()
    buckets = TokenBuckets(2, 4, clock)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0]
    assert buckets.take("a") == 0.5
    clock.advance(0.5)
    assert buckets.take("a") == 0
    assert buckets.take("a") > 0
    clock.advance(3600)
    assert [buckets.take("a") > 0 for _ in range(5)] == [False] * 4 + [True]


def test_each_key_has_its_own() -> None:
    buckets = TokenBuckets(1, 1, ManualClock())
    assert (buckets.take("a"), buckets.take("b")) == (0, 0)
    assert buckets.take("a") > 0


def test_zero_is_no_limit() -> None:
    buckets = TokenBuckets(0, 1, ManualClock())
    assert all(buckets.take("a") == 0 for _ in range(1000))
    assert buckets.peek("a") == 0


def test_peeking_takes_nothing() -> None:
    buckets = TokenBuckets(1, 1, ManualClock())
    assert [buckets.peek("a") for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a") == 0
    assert buckets.peek("a") == 1


def test_memory_is_bounded() -> None:
    buckets = TokenBuckets(1, 1, ManualClock())
    for number in range(ratelimit.MAX_BUCKETS + 500):
        buckets.take(str(number))
    assert len(buckets._buckets) == ratelimit.MAX_BUCKETS
