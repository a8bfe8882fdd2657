"""Whether a run may start in a month that has a cap."""

from __future__ import annotations

from datetime import date

import pytest

from fyke.domain.billing.caps import SpendingMonth, refuse_beyond_month
from fyke.errors import CapReached
from fyke.reasons import Reason, ReasonCode


def month(*, cap: int = 100, spent: int = 0, held: int = 0) -> SpendingMonth:
    return SpendingMonth(date(2026, 12, 1), "Europe/Berlin", cap, spent, held)


@pytest.mark.parametrize(("spent", "held", "left"), [(0, 0, 100), (60, 39, 1), (60, 40, 0)])
def test_what_is_held_counts_as_spent(spent: int, held: int, left: int) -> None:
    assert month(spent=spent, held=held).left == left


def test_the_next_month_begins_on_its_first_day() -> None:
    assert month().next == date(2027, 1, 1)
    assert SpendingMonth(date(2027, 2, 1), "UTC", 0, 0, 0).next == date(2027, 3, 1)


def test_the_last_millionth_can_be_spent() -> None:
    refuse_beyond_month(month(spent=99))


@pytest.mark.parametrize(("spent", "held"), [(60, 40), (100, 0), (150, 0)])
def test_nothing_starts_when_nothing_is_left(spent: int, held: int) -> None:
    with pytest.raises(CapReached) as error:
        refuse_beyond_month(month(spent=spent, held=held))
    assert error.value.reason == Reason.of(
        ReasonCode.MONTH_CAP_REACHED,
        month="2026-12",
        cap_micros=100,
        spent_micros=spent,
        held_micros=held or None,
        next="2027-01-01",
        zone="Europe/Berlin",
    )
