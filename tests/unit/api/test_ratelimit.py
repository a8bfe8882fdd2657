"""Token buckets and rate-limit headers."""

from __future__ import annotations

from fyke.api import ratelimit
from fyke.api.ratelimit import RateShare, TokenBuckets
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


def test_each_key_has_its_own_bucket() -> None:
    buckets = TokenBuckets(1, 1, ManualClock())
    assert (buckets.take("a"), buckets.take("b")) == (0, 0)
    assert buckets.take("a") > 0


def test_zero_means_no_limit() -> None:
    buckets = TokenBuckets(0, 1, ManualClock())
    assert all(buckets.take("a") == 0 for _ in range(1000))
    assert buckets.peek("a") == 0


def test_peeking_takes_nothing() -> None:
    buckets = TokenBuckets(1, 1, ManualClock())
    assert [buckets.peek("a") for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a") == 0
    assert buckets.peek("a") == 1


def test_a_debt_is_paid_before_the_next_request() -> None:
    clock = ManualClock()
    buckets = TokenBuckets(2, 4, clock)
    assert buckets.take("a") == 0
    assert buckets.debit("a", 10) == 0  # 3 - 10
    assert buckets.debit("a", 1) == buckets.take("a") == 4
    assert fields_of(buckets)[1] == '"default";r=0;t=6'
    clock.advance(3.75)
    assert buckets.take("a") > 0
    clock.advance(0.25)
    assert buckets.take("a") == 0
    assert buckets.debit("a", 1) == 0  # one that has just paid for its request may owe more
    assert buckets.debit("b", 1) == TokenBuckets(0, 1, clock).debit("a", 99) == 0


def test_memory_is_bounded() -> None:
    buckets = TokenBuckets(1, 1, ManualClock())
    for number in range(ratelimit.MAX_BUCKETS + 500):
        buckets.take(str(number))
    assert len(buckets._buckets) == ratelimit.MAX_BUCKETS


def fields_of(buckets: TokenBuckets, key: str = "a", own_rate: float = 0) -> tuple[str, ...]:
    """The two rate-limit headers of ``key``; none without a limit."""
    fields = buckets.fields(key, own_rate)
    assert [name for name, _ in fields] in ([b"ratelimit-policy", b"ratelimit"], [])
    return tuple(value.decode() for _, value in fields)


def test_the_headers_have_the_remaining_requests_and_the_time_to_refill() -> None:
    clock = ManualClock()
    buckets = TokenBuckets(2, 4, clock)
    assert fields_of(buckets) == (
        '"default";q=4;w=2',
        '"default";r=4;t=0',
    )  # nothing taken yet
    buckets.take("a")
    assert fields_of(buckets) == ('"default";q=4;w=2', '"default";r=3;t=1')
    for _ in range(5):
        buckets.take("a")
    assert fields_of(buckets) == ('"default";q=4;w=2', '"default";r=0;t=2')
    assert fields_of(buckets, "b")[1] == '"default";r=4;t=0'
    clock.advance(0.75)
    assert buckets.take("a") == 0
    assert fields_of(buckets)[1] == '"default";r=0;t=2'  # rounded down
    clock.advance(3600)
    buckets.take("a")
    assert fields_of(buckets)[1] == '"default";r=3;t=1'


def test_without_a_limit_there_are_no_headers() -> None:
    assert fields_of(TokenBuckets(0, 1, ManualClock())) == ()


def test_a_key_with_its_own_rate_has_its_own_burst_and_policy() -> None:
    buckets = TokenBuckets(60, 120, ManualClock())
    assert [buckets.take("slow", 3) > 0 for _ in range(7)] == [False] * 6 + [True]
    assert fields_of(buckets, "slow", 3) == ('"default";q=6;w=2', '"default";r=0;t=2')
    unlimited = TokenBuckets(0, 1, ManualClock())
    assert [unlimited.take("slow", 1) > 0 for _ in range(3)] == [False, False, True]
    assert fields_of(unlimited, "slow", 1) == ('"default";q=2;w=2', '"default";r=0;t=2')


def test_servers_divide_a_limit_and_report_their_share() -> None:
    share = RateShare()
    buckets = TokenBuckets(60, 120, ManualClock(), share)
    buckets.take("a")
    share.counted(4)
    buckets.take("a")
    assert fields_of(buckets) == ('"default";q=30;w=2', '"default";r=29;t=1')
    assert fields_of(buckets, "own", 8) == ('"default";q=4;w=2', '"default";r=4;t=0')
    share.counted(0)  # the server counts itself
    assert fields_of(buckets)[0] == '"default";q=120;w=2'


def test_each_of_many_servers_allows_at_least_one_request() -> None:
    clock, share = ManualClock(), RateShare(servers=10)
    buckets = TokenBuckets(1, 2, clock, share)
    assert (buckets.take("a"), buckets.take("a")) == (0, 10)
    assert fields_of(buckets) == ('"default";q=1;w=10', '"default";r=0;t=10')
    clock.advance(10)
    assert buckets.take("a") == 0
