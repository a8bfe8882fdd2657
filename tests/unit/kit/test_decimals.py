from __future__ import annotations

import pytest

from fyke.kit.decimals import binary_size, duration, millionths


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
def test_millionths_keep_all_digits(count: int, text: str) -> None:
    assert millionths(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1000, "1,000 bytes"),
        (3 * 2**29, "1.5 GiB"),
        (2**20, "1 MiB"),
        (10**6, "1,000,000 bytes"),
    ],
)
def test_bytes_have_the_largest_unit(count: int, text: str) -> None:
    assert binary_size(count) == text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0 ms"),
        (240, "240 ms"),
        (4200, "4.2 s"),
        (187_000, "3 min 7 s"),
        (900_000, "15 min"),
        (7_500_000, "2 h 5 min"),
        (7_207_000, "2 h"),
    ],
)
def test_a_time_has_its_two_largest_units(milliseconds: int, text: str) -> None:
    assert duration(milliseconds) == text
