from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.runner.metering import MAX_GAP_SECONDS, MemoryMeter, Stopwatch

MIB = 2**20


def test_memory_counts_by_time():
    meter = MemoryMeter(10.0)
    meter.sample(10.0, 100 * MIB)
    meter.sample(11.0, 100 * MIB)
    meter.sample(13.0, 100 * MIB)
    assert meter.mb_ms == 100 * 3000
    meter.end(14.0, 999 * MIB)  # what it used last; the peak counts only without samples
    assert meter.mb_ms == 100 * 4000


def test_the_mean_of_two_samples_counts_between_them():
    meter = MemoryMeter(0.0)
    meter.sample(1.0, 100 * MIB)
    assert meter.mb_ms == 100_000  # what it used in the first second is not known
    meter.sample(3.0, 200 * MIB)
    assert meter.mb_ms == 100_000 + 300_000


def test_a_process_that_ended_before_the_first_sample_counts_with_its_peak():
    meter = MemoryMeter(5.0)
    meter.end(5.5, 64 * MIB)
    assert meter.mb_ms == 64 * 500


def test_a_clock_that_does_not_advance_adds_nothing():
    meter = MemoryMeter(5.0)
    meter.sample(5.0, 10 * MIB)
    meter.sample(4.0, 10 * MIB)
    meter.end(5.0, 10 * MIB)
    assert meter.mb_ms == 0


samples = st.lists(
    st.tuples(st.floats(0, 100, allow_subnormal=False), st.integers(0, 2**34)), max_size=50
)


@given(samples, st.floats(0, 10, allow_subnormal=False))
def test_the_sum_only_grows_and_stays_below_the_peak_over_time(
    steps: list[tuple[float, int]], rest: float
):
    meter, now, peak, before = MemoryMeter(0.0), 0.0, 0, 0
    for after, used in steps:
        now, peak = now + after, max(peak, used)
        meter.sample(now, used)
        assert meter.mb_ms >= before
        before = meter.mb_ms
    meter.end(now + rest, peak)
    assert before <= meter.mb_ms <= peak * (now + rest) * 1000 / MIB + 1


@pytest.mark.parametrize("days", [7])
def test_the_longest_run_of_the_largest_device_fits_into_64_bits(days: int):
    meter = MemoryMeter(0.0)
    meter.sample(0.0, 16 * 2**30)
    meter.sample(days * 86_400.0, 16 * 2**30)
    assert meter.mb_ms * 10**5 < 2**63  # a hundred thousand such runs


# --- elapsed time ----------------------------------------------------------------------------


def test_the_time_between_readings_adds_up_until_the_end() -> None:
    watch = Stopwatch(100.0)
    assert [watch.read(at) for at in (101.0, 103.5, 103.5)] == [1.0, 3.5, 3.5]
    watch.end(104.0)
    assert watch.read(200.0) == 4.0


def test_a_pause_of_the_runner_does_not_count() -> None:
    watch = Stopwatch(0.0)
    assert watch.read(MAX_GAP_SECONDS) == MAX_GAP_SECONDS
    assert watch.read(MAX_GAP_SECONDS + 3600) == MAX_GAP_SECONDS
    watch.end(MAX_GAP_SECONDS + 3601)
    assert watch.read(9999) == MAX_GAP_SECONDS + 1


@given(st.lists(st.floats(0, 100), max_size=20))
def test_elapsed_time_never_decreases_and_is_at_most_what_has_passed(pauses: list[float]) -> None:
    watch, at, before = Stopwatch(0.0), 0.0, 0.0
    for pause in pauses:
        at += pause
        now = watch.read(at)
        assert before <= now <= at
        before = now
