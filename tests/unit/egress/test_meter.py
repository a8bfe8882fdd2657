"""Counting bytes, and the limit."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.contracts.egress import Traffic
from fyke.egress.meter import DOWN, UP, Meter, make_shared, map_shared, read


def test_without_a_limit_everything_passes() -> None:
    meter = Meter()
    assert meter.take(10**12, UP) == 10**12
    assert meter.take(5, DOWN) == 5
    assert meter.traffic == Traffic(up=10**12, down=5)
    assert not meter.tripped


def test_the_first_byte_beyond_the_limit_trips_the_meter() -> None:
    meter = Meter(10)
    assert meter.take(4, UP) == 4
    assert meter.take(6, DOWN) == 6
    assert not meter.tripped
    assert meter.take(1, DOWN) == 0
    assert meter.tripped
    assert meter.traffic.total == 10


def test_a_limit_of_zero_passes_no_byte() -> None:
    meter = Meter(0)
    assert meter.take(1, UP) == 0
    assert meter.tripped


@given(st.integers(0, 1000), st.lists(st.tuples(st.integers(1, 200), st.sampled_from([UP, DOWN]))))
def test_the_sum_never_exceeds_the_limit(limit: int, takes: list[tuple[int, int]]) -> None:
    meter = Meter(limit)
    passed = sum(meter.take(count, direction) for count, direction in takes)
    requested = sum(count for count, _ in takes)
    assert passed == meter.traffic.total == min(limit, requested)
    assert meter.tripped == (requested > limit)


def test_shared_counters_outlive_their_meter() -> None:
    descriptor = make_shared()
    first = Meter(100, map_shared(descriptor))
    first.take(60, DOWN)
    first.connected()
    first.refused()
    second = Meter(100, map_shared(descriptor))
    assert second.take(60, UP) == 40
    assert second.tripped and Meter(None, map_shared(descriptor)).take(1, UP) == 0
    assert read(map_shared(descriptor)) == Traffic(40, 60, 1, 1)
    os.close(descriptor)


def test_closed_counters_are_final() -> None:
    descriptor = make_shared()
    meter = Meter(None, map_shared(descriptor))
    meter.take(7, UP)
    assert meter.close() == Traffic(up=7)
    assert meter.take(5, UP) == 0
    assert read(map_shared(descriptor)) == Traffic(up=7)
    os.close(descriptor)


def test_memory_that_is_too_small_is_refused() -> None:
    descriptor = os.memfd_create("small")
    with pytest.raises(ValueError, match="too small"):
        map_shared(descriptor)
    os.close(descriptor)
