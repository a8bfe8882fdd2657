"""Amounts typed by the operator."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fyke.console.pages.admin import _amount


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("", 0),
        ("  ", 0),
        ("25", 25),
        (" 2,50 ", Decimal("2.50")),
        ("-3", -3),  # a correction of an earlier credit
        ("999999999999", 999_999_999_999),
        ("1000000000000", None),
        ("1e99", None),
        ("NaN", None),
        ("-Infinity", None),
        ("1.000,50", None),
        ("ten", None),
    ],
)
def test_an_amount_is_a_plain_number_within_limits(
    text: str, amount: Decimal | int | None
) -> None:
    assert _amount(text) == amount
