"""Names that are numbers."""

from __future__ import annotations

from fyke.kit.ids import new_number

NOW, LAST = 1_700_000_000_000, 9_223_372_036_853


def test_a_number_fits_into_64_bits_and_keeps_its_digits() -> None:
    for moment in (NOW, LAST):
        number = new_number(moment)
        assert str(int(number)) == number
        assert int(number) < 2**63
        assert len(number) == 19


def test_later_numbers_are_greater_as_text_and_as_numbers() -> None:
    numbers = [new_number(NOW + step) for step in range(100)]
    assert sorted(numbers) == sorted(numbers, key=int) == numbers
    assert len({new_number(NOW) for _ in range(100)}) > 90
