"""Numbers as users type them, and the errors for text that is not a number."""

from __future__ import annotations

import pytest

from fyke.domain.forms.numbers import NotANumber, read_number, within
from fyke.domain.workers.jsontext import MAX_DIGITS


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", 12),
        ("+5", 5),
        (" -0012\n", -12),
        ("9" * MAX_DIGITS, int("9" * MAX_DIGITS)),
        ("5.", 5.0),
        (".5", 0.5),
        ("-1.25E-2", -0.0125),
    ],
)
def test_a_number_keeps_its_digits_and_type(text: str, number: float) -> None:
    found = read_number(text, whole=False)
    assert (found, type(found)) == (number, type(number))


def test_a_whole_number_may_be_written_with_zero_decimals() -> None:
    assert read_number("5.0", whole=True) == 5
    assert read_number("1e3", whole=True) == 1000
    with pytest.raises(NotANumber, match=r"must be a whole number; 2\.5 has decimals, so round"):
        read_number("2.5", whole=True)


@pytest.mark.parametrize("text", ["", ".", "-", "1_000", "0x10", "NaN", "Infinity", "٣", "1 2"])
def test_text_that_is_not_a_number_is_refused(text: str) -> None:
    with pytest.raises(NotANumber, match=r"^must be a number; use digits only, such as 12\.5$"):
        read_number(text, whole=False)
    with pytest.raises(NotANumber, match=r"^must be a whole number; use digits only, such as 12$"):
        read_number(text, whole=True)


def test_numbers_with_commas_are_refused() -> None:
    for text in ("1,5", "1,000", "1.000,5"):
        with pytest.raises(NotANumber, match=r"without commas; write the decimal point as \."):
            read_number(text, whole=False)


def test_too_long_and_too_large_numbers_are_refused() -> None:
    with pytest.raises(NotANumber, match="must have at most 4,300 digits; shorten it"):
        read_number("9" * (MAX_DIGITS + 1), whole=True)
    with pytest.raises(NotANumber, match="too large for a number; give a smaller one"):
        read_number("1e999", whole=False)


def test_bounds_are_inclusive() -> None:
    assert within(1, 1, 10) == within(10, 1, 10) == within(-5, None, None) == ""
    assert within(0, 1, None) == "must be at least 1; 0 is too small"
    assert within(10.5, None, 10) == "must be at most 10; 10.5 is too large"
    assert within(0, 0, 0) == ""
