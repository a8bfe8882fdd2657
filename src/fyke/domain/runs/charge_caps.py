"""Ends runs by their charge: at the reserved amount, and at caps of the account that were lowered
after the start.
"""

from __future__ import annotations

from fyke.contracts.state import Transaction
from fyke.domain.billing.caps import month_of
from fyke.domain.billing.pricing import charge
from fyke.domain.runs.transitions import Rules, cost_micros
from fyke.model.account import Account
from fyke.model.run import Run, SpendingBound
from fyke.reasons import Reason, ReasonCode

HOUR_MS = 3_600_000
REASON_BY_BOUND = {
    SpendingBound.MOST: ReasonCode.CHARGE_ESTIMATE,
    SpendingBound.RUN: ReasonCode.RUN_CHARGE_CAP,
    SpendingBound.BALANCE: ReasonCode.BALANCE_USED_UP,
    SpendingBound.ACCOUNT: ReasonCode.ACCOUNT_RUN_CAP,
    SpendingBound.MONTH: ReasonCode.ACCOUNT_MONTH_CAP,
}


def charge_cap_reached(tx: Transaction, rules: Rules, run: Run) -> Reason | None:
    """Why ``run`` must end because of its charge, else None. Checked at each report."""
    if not run.hold_micros:
        return None
    cost = cost_micros(tx, rules, run)
    if cost >= run.hold_micros:
        return Reason.of(REASON_BY_BOUND[run.bound], limit_micros=run.hold_micros)
    account = tx.accounts.get(run.account_id)
    return _lowered_cap(tx, rules, account, cost) if account else None


def until_used_up(tx: Transaction, rules: Rules, run: Run) -> int | None:
    """Milliseconds until the reserved amount of ``run`` is used up by the time of its running
    attempts alone; None when their time is free. So a cap is enforced on time, independently of
    reports.
    """
    hourly = charge(rules.prices, run.limits, milliseconds=HOUR_MS, traffic_bytes=0)
    if not run.hold_micros or not hourly:
        return None
    running = sum(1 for a in tx.runs.attempts(run.id) if a.started_at and a.outcome is None)
    if not running:
        return None
    left = max(0, run.hold_micros - cost_micros(tx, rules, run))
    return -(-left * HOUR_MS // (hourly * running))


def _lowered_cap(tx: Transaction, rules: Rules, account: Account, cost: int) -> Reason | None:
    if account.run_cap_micros and cost >= account.run_cap_micros:
        return Reason.of(ReasonCode.ACCOUNT_RUN_CAP, lowered_to_micros=account.run_cap_micros)
    month = month_of(tx, account)
    if month is None or month.left >= 0:  # reserved amounts alone do not exceed the cap
        return None
    if month.spent + _active_charges(tx, rules, account.id) < month.cap:
        return None
    return Reason.of(ReasonCode.ACCOUNT_MONTH_CAP, lowered_to_micros=month.cap)


def _active_charges(tx: Transaction, rules: Rules, account_id: str) -> int:
    """The total charge of the account's active runs if they ended now."""
    runs = (tx.runs.get(run_id) for run_id in tx.admission.under_way(account_id))
    return sum(min(cost_micros(tx, rules, run), run.hold_micros) for run in runs if run)
