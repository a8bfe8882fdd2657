"""Ten tries over about 75 hours."""

from __future__ import annotations

import pytest

from fyke.domain.callbacks.schedule import JITTER, WAITS, next_delay


def test_ten_tries_take_about_75_hours() -> None:
    assert len(WAITS) + 1 == 10
    assert 74 * 3600 < sum(WAITS) < 76 * 3600
    assert list(WAITS) == sorted(WAITS)


@pytest.mark.parametrize("tries", range(1, 10))
def test_delays_vary_around_their_mean(tries: int) -> None:
    drawn = [next_delay(tries) for _ in range(200)]
    exact = WAITS[tries - 1]
    assert all(d is not None and abs(d - exact) <= exact * JITTER + 1e-9 for d in drawn)
    assert len(set(drawn)) > 100


def test_there_is_no_delay_after_the_last_try_or_before_the_first() -> None:
    assert next_delay(10) is None and next_delay(11) is None
    with pytest.raises(ValueError, match=r"^tries must be at least 1, got 0$"):
        next_delay(0)
