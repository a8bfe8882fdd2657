from __future__ import annotations

import pytest

from fyke.kit.decimals import millionths


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (97, "0.000097"),
        (400_000, "0.4"),
        (1_000_000, "1"),
        (10_000_000, "10"),
        (12_345_670_000, "12345.67"),
        (1_234_567_800_000, "1234567.8"),
        (10**18, "1000000000000"),
    ],
)
def test_millionths_lose_no_digit(count: int, text: str) -> None:
    assert millionths(count) == text
