"""When the charge of a run ends it: at what was held for it, and at caps of its account that were
lowered since.
"""

from __future__ import annotations

from fyke.contracts.state import Transaction
from fyke.domain.billing.caps import month_of
from fyke.domain.billing.pricing import charge, millionths
from fyke.domain.runs.transitions import Rules, cost_micros
from fyke.model.account import Account
from fyke.model.run import Run, SpendingBound

HOUR_MS = 3_600_000
AS_HELD = {
    SpendingBound.MOST: "Stopped: the {usd} USD that the run could cost at most were used up",
    SpendingBound.RUN: "Stopped: the cap of {usd} USD on what this run may cost was reached",
    SpendingBound.BALANCE: "Stopped: the {usd} USD that the account had free at the start "
    "were used up",
    SpendingBound.ACCOUNT: "Stopped: the account's cap of {usd} USD for one run was reached",
    SpendingBound.MONTH: "Stopped: the {usd} USD that were left of the account's cap for the month "
    "were used up",
}
_LOWERED_RUN = "Stopped: the account's cap for one run was lowered to {usd} USD, which was reached"
_LOWERED_MONTH = (
    "Stopped: the account's cap for the month was lowered to {usd} USD, which was reached"
)


def charge_cap_reached(tx: Transaction, rules: Rules, run: Run) -> str | None:
    """Why the charge ends ``run`` now, None while it does not. Asked at every report."""
    if not run.hold_micros:
        return None
    cost = cost_micros(tx, rules, run)
    if cost >= run.hold_micros:
        return AS_HELD[run.bound].format(usd=millionths(run.hold_micros))
    account = tx.accounts.get(run.account_id)
    return _lowered(tx, rules, account, cost) if account else None


def until_used_up(tx: Transaction, rules: Rules, run: Run) -> int | None:
    """Milliseconds until what is held for ``run`` is used up by the time of its living attempts
    alone; None when their time costs nothing. So a cap is met on time, whenever the last look was.
    """
    hour = charge(rules.prices, run.limits, milliseconds=HOUR_MS, traffic_bytes=0)
    living = sum(1 for a in tx.runs.attempts(run.id) if a.started_at and a.outcome is None)
    if not run.hold_micros or not hour * living:
        return None
    left = max(0, run.hold_micros - cost_micros(tx, rules, run))
    return -(-left * HOUR_MS // (hour * living))


def _lowered(tx: Transaction, rules: Rules, account: Account, cost: int) -> str | None:
    if account.run_cap_micros and cost >= account.run_cap_micros:
        return _LOWERED_RUN.format(usd=millionths(account.run_cap_micros))
    month = month_of(tx, account)
    if month is None or month.left >= 0:  # what is held cannot take it beyond its cap
        return None
    if month.spent + _under_way(tx, rules, account.id) < month.cap:
        return None
    return _LOWERED_MONTH.format(usd=millionths(month.cap))


def _under_way(tx: Transaction, rules: Rules, account_id: str) -> int:
    """What all runs of the account that have begun would be charged by now."""
    found = (tx.runs.get(run_id) for run_id in tx.admission.under_way(account_id))
    return sum(min(cost_micros(tx, rules, run), run.hold_micros) for run in found if run)
