"""Ends runs at their caps: that of their traffic, the reserved amount, and caps of the account that
were lowered after the start.
"""

from __future__ import annotations

from collections.abc import Iterable

from fyke.contracts.state import Transaction
from fyke.domain.billing.caps import SpendingMonth, month_of
from fyke.domain.billing.pricing import charge
from fyke.domain.runs.lifecycle import LimitReached
from fyke.domain.runs.outcome import end_of, traffic_cap
from fyke.domain.runs.transitions import Rules, cost_micros, cost_of
from fyke.model.account import Account
from fyke.model.run import Attempt, End, Run, SpendingBound
from fyke.reasons import Reason, ReasonCode

HOUR_MS = 3_600_000
REASON_BY_BOUND = {
    SpendingBound.MOST: ReasonCode.CHARGE_ESTIMATE,
    SpendingBound.RUN: ReasonCode.RUN_CHARGE_CAP,
    SpendingBound.BALANCE: ReasonCode.BALANCE_USED_UP,
    SpendingBound.ACCOUNT: ReasonCode.ACCOUNT_RUN_CAP,
    SpendingBound.MONTH: ReasonCode.ACCOUNT_MONTH_CAP,
}


class ChargeCaps:
    """The charges of ``runs``, which the caller has locked, within one transaction. What is needed
    of all of them is read at once.
    """

    def __init__(self, tx: Transaction, rules: Rules, runs: Iterable[Run]) -> None:
        self._tx = tx
        self._rules = rules
        held = [run for run in runs if run.hold_micros]
        costly = [run.id for run in held] if rules.prices.any() else []
        self._attempts = tx.runs.attempts_of(costly)
        self._accounts = tx.accounts.get_all({run.account_id for run in held})
        self._months: dict[str, SpendingMonth | None] = {}

    def reached(self, run: Run) -> Reason | None:
        """Why ``run`` must end because of its charge, else None. Checked at each report."""
        if not run.hold_micros:
            return None
        cost = self._cost(run)
        if cost >= run.hold_micros:
            return Reason.of(REASON_BY_BOUND[run.bound], limit_micros=run.hold_micros)
        account = self._accounts.get(run.account_id)
        return self._lowered_cap(account, cost) if account else None

    def until_used_up(self, run: Run) -> int | None:
        """Milliseconds until the reserved amount of ``run`` is used up by the time of its running
        attempts alone, each with a browser if it may have one; None when their time is free. So a
        cap is enforced on time, independently of reports.
        """
        prices = self._rules.prices
        hourly = charge(
            prices, run.limits, milliseconds=HOUR_MS, traffic_bytes=0, browser_ms=HOUR_MS
        )
        if not run.hold_micros or not hourly:
            return None
        attempts = self._attempts.get(run.id, ())
        running = sum(1 for a in attempts if a.started_at and a.outcome is None)
        if not running:
            return None
        left = max(0, run.hold_micros - self._cost(run))
        return -(-left * HOUR_MS // (hourly * running))

    def _cost(self, run: Run) -> int:
        return cost_of(self._rules, run, self._attempts.get(run.id, ()))

    def _lowered_cap(self, account: Account, cost: int) -> Reason | None:
        if account.run_cap_micros and cost >= account.run_cap_micros:
            return Reason.of(ReasonCode.ACCOUNT_RUN_CAP, lowered_to_micros=account.run_cap_micros)
        if account.id not in self._months:
            self._months[account.id] = month_of(self._tx, account)
        month = self._months[account.id]
        if month is None or month.left >= 0:  # reserved amounts alone do not exceed the cap
            return None
        if month.spent + _active_charges(self._tx, self._rules, account.id) < month.cap:
            return None
        return Reason.of(ReasonCode.ACCOUNT_MONTH_CAP, lowered_to_micros=month.cap)


def _active_charges(tx: Transaction, rules: Rules, account_id: str) -> int:
    """The total charge of the account's active runs if they ended now."""
    runs = (tx.runs.get(run_id) for run_id in tx.admission.under_way(account_id))
    return sum(min(cost_micros(tx, rules, run), run.hold_micros) for run in runs if run)


def cap_reached(
    tx: Transaction, charges: ChargeCaps, run: Run, traffic_bytes: int
) -> LimitReached | None:
    """The event of a run that has reached a cap, else None. The proxy stops a single attempt
    exactly at its traffic limit and reports that; the total of several attempts is known only here.
    """
    if exceeds_traffic(run, traffic_bytes):
        return traffic_limit_event(tx, run)
    reason = charges.reached(run)
    return None if reason is None else limit_event(tx.runs.attempts(run.id), end_of(reason))


def exceeds_traffic(run: Run, traffic_bytes: int) -> bool:
    return 0 < run.limits.max_traffic_bytes < traffic_bytes


def traffic_limit_event(tx: Transaction, run: Run) -> LimitReached:
    return limit_event(tx.runs.attempts(run.id), end_of(traffic_cap(run.limits)))


def limit_event(attempts: Iterable[Attempt], end: End) -> LimitReached:
    return LimitReached(sum(1 for attempt in attempts if attempt.outcome is None), end)
