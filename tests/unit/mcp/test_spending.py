"""Amounts of a spend cap."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fyke.mcp.spending import SpendStatus, read_cap


def test_a_cap_is_an_amount_or_nothing() -> None:
    assert read_cap(" 2.50 ") == Decimal("2.50")
    assert read_cap("0") == 0
    assert read_cap("") is None


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf", "1e12"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="amount in US dollars"):
        read_cap(text)


def test_an_active_run_without_a_limit_leaves_nothing() -> None:
    assert SpendStatus(Decimal(5), Decimal(1), Decimal(1), "").left == 3
    assert SpendStatus(Decimal(5), Decimal(1), None, "").left == 0
    assert SpendStatus(Decimal(5), Decimal(6), Decimal(0), "").left == 0
