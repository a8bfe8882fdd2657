"""Formatted numbers, sizes, amounts and times."""

from __future__ import annotations

from datetime import UTC, date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.console import formats
from fyke.console.texts import LANGUAGES, use_language

CHINESE = LANGUAGES[1]


def test_a_number_stands_apart_from_chinese() -> None:
    with use_language(CHINESE):
        assert formats.ago(0, 180_000) == "3 分钟前"


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 ms"),
        (850, "850 ms"),
        (12_340, "12.3 s"),
        (59_960, "59.9 s"),
        (245_000, "4 min 5 s"),
        (900_000, "15 min"),
        (7_380_000, "2 h 3 min"),
        (7_230_000, "2 h"),
        (273_600_000, "3 d 4 h"),
        (172_860_000, "2 d"),
    ],
)
def test_a_duration_has_the_unit_that_fits(ms: int, text: str) -> None:
    assert formats.duration(ms) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1_250_000, "1.25 MB"), (999_999, "1 MB")],
)
def test_sizes_have_three_digits(amount: int, text: str) -> None:
    assert formats.size(amount) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0 MiB"),
        (200 * 2**20, "200 MiB"),
        (8 * 2**30, "8 GiB"),
        (int(1.25 * 2**30), "1.2 GiB"),
        (2000 * 2**30, "2,000 GiB"),
    ],
)
def test_room_is_in_powers_of_1024(amount: int, text: str) -> None:
    assert formats.room(amount) == text


@given(st.integers(0, 10**15))
def test_a_size_is_never_off_by_more_than_its_last_digit(amount: int) -> None:
    number, unit = formats.size(amount).replace(",", "").split()
    shown = float(number) * 1000 ** ["B", "kB", "MB", "GB", "TB"].index(unit)
    assert abs(shown - amount) <= amount * 0.006 + 0.5


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "$0.00"),
        (1, "$0.000001"),
        (12_300, "$0.0123"),
        (1_500_000, "$1.50"),
        (-500_000, "-$0.50"),
    ],
)
def test_small_amounts_are_not_shown_as_zero(micros: int, text: str) -> None:
    assert formats.money(micros).replace("US", "") == text


def test_moments_follow_zone_and_language() -> None:
    at = 1_767_225_600_000  # the first moment of 2026
    assert formats.iso(at) == "2026-01-01T00:00:00.000Z"
    assert "2026" in formats.moment(at, UTC)
    assert "2025" in formats.moment(at, formats.zone_named("America/New_York"))
    with use_language(CHINESE):
        assert "年" in formats.moment(at, UTC)


@pytest.mark.parametrize("name", ["", "Nowhere/Land", "../../etc/passwd", "a" * 500, "\0"])
def test_an_invalid_zone_is_utc(name: str) -> None:
    assert formats.zone_named(name) is UTC


@pytest.mark.parametrize(
    ("part", "whole", "percent"),
    [(0, 0, "-"), (0, 9, "0%"), (1, 999, "1%"), (2, 3, "67%"), (3, 8, "38%"), (29, 100, "29%"),
     (999, 1000, "99%"), (7, 7, "100%")],
)  # fmt: skip
def test_a_share_is_rounded_but_not_to_nothing_or_the_whole(
    part: int, whole: int, percent: str
) -> None:
    assert formats.percent(part, whole) == percent


def test_a_moment_in_a_table_is_shortened() -> None:
    now = 1_767_225_600_000  # the first moment of 2026
    day = 86_400_000
    assert "2026" not in formats.short_moment(now + 3_600_000, UTC, now)
    assert formats.short_moment(now + 3_600_000, UTC, now).startswith("1:00:00")
    assert formats.short_moment(now - day, UTC, now).startswith("Dec 31")
    assert "2024" in formats.short_moment(now - 400 * day, UTC, now)


@pytest.mark.parametrize(
    ("mb_ms", "text"),
    [
        (0, "0 GB·s"),
        (6 * 1000, "0.006 GB·s"),
        (12_300 * 1024, "12.3 GB·s"),
        (4_500_000 * 1024, "1.25 GB·h"),
    ],
)
def test_memory_over_time_has_the_unit_that_fits(mb_ms: int, text: str) -> None:
    assert formats.memory_time(mb_ms) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0", "0 GB"), ("0.0000003", "0.0000003 GB"), ("1234.5000001", "1,234.5 GB")],
)
def test_an_exact_quantity_is_only_zero_if_it_is_none(amount: str, text: str) -> None:
    assert formats.quantity_exact(Decimal(amount), "GB") == text


def test_dates_that_are_repeated_follow_the_language() -> None:
    at = date(2026, 11, 24)
    assert (formats.date_of(at), formats.month_of(at)) == ("Nov 24, 2026", "November 2026")
    with use_language(CHINESE):
        assert (formats.date_of(at), formats.month_of(at)) == ("2026年11月24日", "2026年11月")
    assert formats.date_of(at) == "Nov 24, 2026"


def test_memory_has_the_unit_of_its_limits() -> None:
    assert formats.memory(1024 * 2**20) == "1,024 MB"
    assert formats.memory(0) == "0 MB"
