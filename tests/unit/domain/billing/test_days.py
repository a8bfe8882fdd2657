from __future__ import annotations

from datetime import date

import pytest

from fyke.domain.billing.days import (
    check_range,
    day_from_number,
    day_number,
    day_start_ms,
    days_between,
    local_day,
    parse_day,
)
from fyke.errors import InvalidRequest


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("UTC", date(2026, 10, 31)),
        ("Europe/Berlin", date(2026, 11, 1)),
        ("America/New_York", date(2026, 10, 31)),
        ("Gone/Away", date(2026, 10, 31)),
    ],
)
def test_a_day_is_in_the_zone(zone: str, expected: date) -> None:
    assert local_day(1_793_491_200_000 - 1, zone) == expected


def test_days_start_at_midnight_when_clocks_change() -> None:
    hours = [
        (
            day_start_ms(date(2026, m, d + 1), "Europe/Berlin")
            - day_start_ms(date(2026, m, d), "Europe/Berlin")
        )
        / 3_600_000
        for m, d in ((3, 29), (10, 25), (6, 1))
    ]
    assert hours == [23, 25, 24]


def test_a_day_is_converted_to_a_number_and_back() -> None:
    assert day_number(date(2026, 1, 9)) == 20260109
    assert day_from_number(20260109) == date(2026, 1, 9)
    assert parse_day(" 2026-11-24 ", "from") == date(2026, 11, 24)


@pytest.mark.parametrize(
    "typed", ["24.11.2026", "2026-02-30", "20261124", "0001-01-01", "9999-12-31"]
)
def test_an_invalid_day_is_refused_with_its_field(typed: str) -> None:
    with pytest.raises(InvalidRequest, match=r"until: .* is not a date; write it as 2026-11-24"):
        parse_day(typed, "until")


def test_a_range_that_is_too_long_names_the_latest_end() -> None:
    first = date(2026, 1, 1)
    check_range(first, date(2027, 1, 1))
    with pytest.raises(InvalidRequest, match="from 2026-01-01 use 2027-01-01 or earlier"):
        check_range(first, date(2027, 1, 2))
    with pytest.raises(InvalidRequest, match="until: 2025-12-31 is before from"):
        check_range(first, date(2025, 12, 31))
    assert days_between(first, date(2026, 1, 3)) == [date(2026, 1, n) for n in (1, 2, 3)]
