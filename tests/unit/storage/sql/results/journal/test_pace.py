"""When the event loop writes to the journal, or waits for a flush."""

from __future__ import annotations

import pytest

from fyke.storage.sql.results.journal.pace import (
    ALONE_SECONDS,
    AVERAGED,
    AVOID_SECONDS,
    SLOW_FLUSHES_SECONDS,
    SLOW_SECONDS,
    Pace,
)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _alone(clock: Clock) -> Pace:
    """Of a store that flushes, after one attempt has pushed alone."""
    pace = Pace(durable=True, clock=clock)
    pace.count("a")
    clock.now += ALONE_SECONDS
    return pace


def test_without_flushes_all_attempts_are_written_by_the_loop(clock: Clock) -> None:
    pace = Pace(durable=False, clock=clock)
    for attempt in "ab":
        assert pace.allows(attempt)
        pace.count(attempt)


def test_the_loop_waits_for_flushes_of_an_attempt_that_pushes_alone(clock: Clock) -> None:
    pace = Pace(durable=True, clock=clock)
    assert not pace.allows("a")
    pace.count("a")
    assert not pace.allows("a")
    clock.now += ALONE_SECONDS
    pace.count("a")
    assert pace.allows("a")
    assert not pace.allows("b")
    pace.count("b")
    pace.count("a")
    assert not pace.allows("a")


@pytest.mark.parametrize("durable", [False, True])
def test_after_one_slow_write_threads_write_for_a_while(clock: Clock, durable: bool) -> None:
    pace = _alone(clock) if durable else Pace(durable=False, clock=clock)
    pace.measure(SLOW_SECONDS * 1.01)
    assert not pace.allows("a")
    for _ in range(2 * AVERAGED):
        pace.measure(0)
    assert not pace.allows("a")
    clock.now += AVOID_SECONDS
    assert pace.allows("a")


def test_one_flush_in_many_may_take_longer_but_not_most(clock: Clock) -> None:
    pace = _alone(clock)
    for _ in range(10 * AVERAGED):
        pace.measure(SLOW_FLUSHES_SECONDS / 10)
    pace.measure(SLOW_FLUSHES_SECONDS * 5)
    assert pace.allows("a")
    for _ in range(2 * AVERAGED):
        pace.measure(SLOW_FLUSHES_SECONDS * 1.5)
    assert not pace.allows("a")
    clock.now += AVOID_SECONDS
    assert not pace.allows("a")  # until flushes in the thread are fast again
    for _ in range(2 * AVERAGED):
        pace.measure(SLOW_FLUSHES_SECONDS / 10)
    assert pace.allows("a")


def test_writes_without_a_flush_have_no_average(clock: Clock) -> None:
    pace = Pace(durable=False, clock=clock)
    for _ in range(10 * AVERAGED):
        pace.measure(SLOW_SECONDS * 0.99)
    assert pace.allows("a")
