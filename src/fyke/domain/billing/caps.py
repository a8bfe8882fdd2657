"""Spending caps of an account: for one run, and for a calendar month.

Charges never exceed them, because no run is charged more than was held for it, and held money
counts as spent here. When a cap is lowered, active runs are stopped as soon as their cost exceeds
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from fyke.contracts.state import Transaction
from fyke.domain.billing.days import day_number, local_day
from fyke.errors import CapReached
from fyke.model.account import Account
from fyke.reasons import Reason, ReasonCode


@dataclass(frozen=True, slots=True)
class SpendingMonth:
    """A calendar month of an account in its time zone. Money in micros: ``spent`` by runs that have
    ended in it, ``held`` for active runs.
    """

    first: date
    zone: str
    cap: int
    spent: int
    held: int

    @property
    def left(self) -> int:
        """The amount that may still be held; below 0 after the cap was lowered."""
        return self.cap - self.spent - self.held

    @property
    def next(self) -> date:
        """The first day of the next month."""
        return (self.first + timedelta(days=31)).replace(day=1)


def month_of(tx: Transaction, account: Account) -> SpendingMonth | None:
    """The present month of an account that has a monthly cap, else None."""
    return current_month(tx, account) if account.month_cap_micros else None


def current_month(tx: Transaction, account: Account) -> SpendingMonth:
    """The present month; its ``cap`` is 0 when there is none."""
    today = local_day(tx.now, account.time_zone)
    first = today.replace(day=1)
    days = tx.usage.days(account.id, day_number(first), day_number(today))
    spent = sum(sums.usage_micros for sums in days.values())
    return SpendingMonth(
        first, account.time_zone, account.month_cap_micros, spent, account.held_micros
    )


def check_month_cap(month: SpendingMonth, lowest: int) -> None:
    """Raise ``CapReached`` when less than ``lowest``, in micros, is left of a month that has a
    cap.
    """
    if month.left >= lowest:
        return
    raise CapReached(
        Reason.of(
            ReasonCode.MONTH_CAP_REACHED,
            month=f"{month.first:%Y-%m}",
            cap_micros=month.cap,
            spent_micros=month.spent,
            held_micros=month.held or None,
            needed_micros=lowest if month.left > 0 else None,
            next=str(month.next),
            zone=month.zone,
        )
    )
