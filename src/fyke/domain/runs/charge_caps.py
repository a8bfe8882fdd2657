"""When the charge of a run ends it: at the money held for it, and at caps of its account that were
lowered since.
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
AS_HELD = {
    SpendingBound.MOST: ReasonCode.CHARGE_ESTIMATE,
    SpendingBound.RUN: ReasonCode.RUN_CHARGE_CAP,
    SpendingBound.BALANCE: ReasonCode.BALANCE_USED_UP,
    SpendingBound.ACCOUNT: ReasonCode.ACCOUNT_RUN_CAP,
    SpendingBound.MONTH: ReasonCode.ACCOUNT_MONTH_CAP,
}


def charge_cap_reached(tx: Transaction, rules: Rules, run: Run) -> Reason | None:
    """Why the charge ends ``run`` now, None while it does not. Asked at every report."""
    if not run.hold_micros:
        return None
    cost = cost_micros(tx, rules, run)
    if cost >= run.hold_micros:
        return Reason.of(AS_HELD[run.bound], limit_micros=run.hold_micros)
    account = tx.accounts.get(run.account_id)
    return _lowered(tx, rules, account, cost) if account else None


def until_used_up(tx: Transaction, rules: Rules, run: Run) -> int | None:
    """Milliseconds until the money held for ``run`` is used up by the time of its running attempts
    alone; None when their time is free. So a cap is enforced on time, independent of the reports.
    """
    hour = charge(rules.prices, run.limits, milliseconds=HOUR_MS, traffic_bytes=0)
    living = sum(1 for a in tx.runs.attempts(run.id) if a.started_at and a.outcome is None)
    if not run.hold_micros or not hour * living:
        return None
    left = max(0, run.hold_micros - cost_micros(tx, rules, run))
    return -(-left * HOUR_MS // (hour * living))


def _lowered(tx: Transaction, rules: Rules, account: Account, cost: int) -> Reason | None:
    if account.run_cap_micros and cost >= account.run_cap_micros:
        return Reason.of(ReasonCode.ACCOUNT_RUN_CAP, lowered_to_micros=account.run_cap_micros)
    month = month_of(tx, account)
    if month is None or month.left >= 0:  # what is held cannot take it beyond its cap
        return None
    if month.spent + _under_way(tx, rules, account.id) < month.cap:
        return None
    return Reason.of(ReasonCode.ACCOUNT_MONTH_CAP, lowered_to_micros=month.cap)


def _under_way(tx: Transaction, rules: Rules, account_id: str) -> int:
    """What all active runs of the account would be charged if they ended now."""
    found = (tx.runs.get(run_id) for run_id in tx.admission.under_way(account_id))
    return sum(min(cost_micros(tx, rules, run), run.hold_micros) for run in found if run)
