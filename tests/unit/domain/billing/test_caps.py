"""The spending of a month, and starts under a monthly cap."""

from __future__ import annotations

from datetime import date

import pytest

from fyke.domain.billing.caps import (
    SpendingMonth,
    check_month_cap,
    current_month,
    month_of,
)
from fyke.errors import CapReached
from fyke.kit.clock import ManualClock
from fyke.model.billing import UsageKey, UsageSums
from fyke.reasons import Reason, ReasonCode
from support.memory import MemoryStorage, add_account


def month(*, cap: int = 100, spent: int = 0, held: int = 0) -> SpendingMonth:
    return SpendingMonth(date(2026, 12, 1), "Europe/Berlin", cap, spent, held)


@pytest.mark.parametrize(("spent", "held", "left"), [(0, 0, 100), (60, 39, 1), (60, 40, 0)])
def test_reserved_amounts_count_as_spent(spent: int, held: int, left: int) -> None:
    assert month(spent=spent, held=held).left == left


def test_the_next_month_begins_on_its_first_day() -> None:
    assert month().next == date(2027, 1, 1)
    assert SpendingMonth(date(2027, 2, 1), "UTC", 0, 0, 0).next == date(2027, 3, 1)


def test_a_start_may_use_the_whole_remaining_amount() -> None:
    check_month_cap(month(spent=60, held=20), 20)
    with pytest.raises(CapReached) as error:
        check_month_cap(month(spent=60, held=20), 21)
    assert error.value.reason is not None
    assert error.value.reason.params["needed_micros"] == 21
    assert "which leaves less than the 0.000021 for the first 10 seconds" in error.value.message


@pytest.mark.parametrize(("spent", "held"), [(60, 40), (100, 0), (150, 0)])
def test_nothing_starts_when_nothing_is_left(spent: int, held: int) -> None:
    with pytest.raises(CapReached) as error:
        check_month_cap(month(spent=spent, held=held), 1)
    assert error.value.reason == Reason.of(
        ReasonCode.MONTH_CAP_REACHED,
        month="2026-12",
        cap_micros=100,
        spent_micros=spent,
        held_micros=held or None,
        next="2027-01-01",
        zone="Europe/Berlin",
    )


NOON = 1_793_448_000_000  # 2026-10-31 12:00 UTC
EVENING = NOON + 11 * 3_600_000  # the next month in Berlin


def used(storage: MemoryStorage, account_id: str, day: int, micros: int) -> None:
    storage.tx.usage.add(UsageKey(account_id, day), UsageSums(usage_micros=micros))


@pytest.mark.parametrize(
    ("zone", "first", "spent"),
    [("UTC", date(2026, 10, 1), 7), ("Europe/Berlin", date(2026, 11, 1), 0)],
)
def test_the_month_is_in_the_time_zone_of_the_account(zone: str, first: date, spent: int) -> None:
    storage = MemoryStorage(ManualClock(EVENING))
    account = add_account(storage, month_cap_micros=100, held_micros=20, time_zone=zone)
    used(storage, account.id, 20261031, 7)
    assert current_month(storage.tx, account) == SpendingMonth(first, zone, 100, spent, 20)


def test_a_month_counts_the_days_of_the_account_from_the_first_to_today() -> None:
    storage = MemoryStorage(ManualClock(NOON))
    account, other = add_account(storage), add_account(storage, "other")
    for day, micros in ((20260930, 1), (20261001, 10), (20261031, 100), (20261101, 1000)):
        used(storage, account.id, day, micros)
    used(storage, other.id, 20261015, 10_000)
    assert current_month(storage.tx, account).spent == 110


def test_only_an_account_with_a_monthly_cap_has_a_month() -> None:
    storage = MemoryStorage(ManualClock(NOON))
    capped, free = add_account(storage, month_cap_micros=5), add_account(storage, "free")
    assert month_of(storage.tx, capped) == SpendingMonth(date(2026, 10, 1), "UTC", 5, 0, 0)
    assert month_of(storage.tx, free) is None
