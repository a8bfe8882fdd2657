"""Ten tries over about 75 hours."""

from __future__ import annotations

import pytest

from fyke.domain.callbacks.schedule import JITTER, WAITS, next_delay


def test_ten_tries_over_three_days() -> None:
    assert len(WAITS) + 1 == 10
    assert 74 * 3600 < sum(WAITS) < 76 * 3600
    assert list(WAITS) == sorted(WAITS)


@pytest.mark.parametrize("tries", range(1, 10))
def test_waits_spread_around_their_middle(tries: int) -> None:
    drawn = [next_delay(tries) for _ in range(200)]
    exact = WAITS[tries - 1]
    assert all(d is not None and abs(d - exact) <= exact * JITTER + 1e-9 for d in drawn)
    assert len(set(drawn)) > 100


def test_the_end_and_the_start() -> None:
    assert next_delay(10) is None and next_delay(11) is None
    with pytest.raises(ValueError, match=r"^tries must be at least 1, got 0$"):
        next_delay(0)
