"""The usage in a calendar month of an account's time zone."""

from __future__ import annotations

from datetime import datetime

from fyke.contracts.state import Transaction
from fyke.domain.schedules.times import zone
from fyke.model.alert import MonthUsage, Rule
from fyke.model.schedule import DEFAULT_ZONE


def month_usage(tx: Transaction, rule: Rule, at: int) -> MonthUsage:
    """The usage that ``rule`` counts in the month of ``at`` (ms), up to then."""
    account = tx.accounts.get(rule.account_id)
    name = account.time_zone if account and account.time_zone else DEFAULT_ZONE
    day = datetime.fromtimestamp(at / 1000, zone(name))
    first = day.year * 10_000 + day.month * 100
    usd, traffic = tx.alerts.usage_of(rule, first + 1, first + 31)
    return MonthUsage(f"{day:%Y-%m}", usd, traffic)
