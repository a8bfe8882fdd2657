from __future__ import annotations

import pytest

from fyke.domain.runs.sampling import MAX_POINTS, next_due
from fyke.model.run import SampleSpan


def test_samples_are_a_second_apart_and_later_further() -> None:
    assert next_due(SampleSpan()) == 0
    assert next_due(SampleSpan(1, 1_000, 1_000)) == 1_900  # one sample for a report every second
    week = 7 * 24 * 3_600_000
    assert next_due(SampleSpan(200, 0, week)) == week + week // 200


@pytest.mark.slow
def test_a_run_of_any_length_has_a_bounded_number_of_samples() -> None:
    for seconds in (400, 20_000, 700_000):
        times: list[int] = []
        most = 0
        for now in range(0, seconds * 1000, 1000):
            span = SampleSpan(len(times), times[0], times[-1]) if times else SampleSpan()
            if next_due(span) <= now:
                times.append(now)
                if len(times) >= MAX_POINTS:
                    del times[1::2]
            most = max(most, len(times))
        assert most <= MAX_POINTS
        assert len(times) > MAX_POINTS // 4
        assert seconds * 1000 - times[-1] < seconds * 10 + 2000
