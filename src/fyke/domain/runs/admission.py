"""Checks whether the plan of an account allows the device of a run, and one more active run.

A device beyond the plan is refused for every origin. A start by API v2 is also refused when the
account has as many runs as its plan allows. Runs that have not started count too, or a burst would
pass before its first run has started. Starts of other origins are accepted and wait; for them the
plan is enforced when attempts are leased.
"""

from __future__ import annotations

from fyke.contracts.state import Transaction
from fyke.domain.workers.parameters import ParsedInput
from fyke.errors import Forbidden, InvalidRequest, PlanLimitReached, UserMissing
from fyke.model.account import Account, Caller
from fyke.model.run import Origin, RunLimits
from fyke.reasons import Reason, ReasonCode

IMMEDIATE_ORIGINS = frozenset({Origin.API_V2})  # their starts are refused instead of waiting
RETRY_SECONDS = 10


def check_addresses(caller: Caller, parsed: ParsedInput) -> None:
    """Raise ``Forbidden`` when the caller may not open private addresses for a run."""
    if parsed.egress_allow and not caller.operator:
        raise Forbidden(
            "input.parameters.system.egress_allow may be used by the operator's account only"
        )


def check_device(
    tx: Transaction, account_id: str, limits: RunLimits, *, browser_memory_asked: bool
) -> None:
    """Raise ``InvalidRequest`` when a subtask with ``limits`` has more than the plan allows."""
    plan = _account(tx, account_id).plan
    if limits.memory_mb > plan.max_memory_mb:
        raise InvalidRequest(
            f"is {limits.memory_mb} MB, and the plan {plan.value} allows {plan.max_memory_mb}",
            field="input.parameters.system.memory",
            remedy="ask for less, or ask the operator for a larger plan",
        )
    if browser_memory_asked and limits.browser_memory_mb > plan.max_memory_mb:
        raise InvalidRequest(
            f"is {limits.browser_memory_mb} MB, and the plan {plan.value} allows "
            f"{plan.max_memory_mb}",
            field="input.parameters.system.browser_memory",
            remedy="ask for less, or ask the operator for a larger plan",
        )
    if limits.cpus > plan.max_cpus:
        raise InvalidRequest(
            f"is {limits.cpus:g}, and the plan {plan.value} allows {plan.max_cpus:g} cores",
            field="input.parameters.system.cpus",
            remedy="ask for less, or ask the operator for a larger plan",
        )


def check_plan(tx: Transaction, account_id: str) -> None:
    """Raise ``PlanLimitReached``. Other starts of the account wait for this transaction, so
    concurrent starts cannot exceed the plan.
    """
    account = _account(tx, account_id)
    if account.plan.max_runs is None:
        return
    account = tx.accounts.lock(account_id) or account
    max_runs = account.plan.max_runs
    if max_runs is not None and tx.admission.count_open(account_id, max_runs) >= max_runs:
        reason = Reason.of(ReasonCode.PLAN_FULL, plan=account.plan.value, most=max_runs)
        raise PlanLimitReached(reason, retry_after=RETRY_SECONDS)


def plan_limit(tx: Transaction, account_id: str) -> Reason | None:
    """Why no other run of the account may start now, else None; nothing is locked."""
    account = _account(tx, account_id)
    max_runs = account.plan.max_runs
    if max_runs is None or tx.admission.count_open(account_id, max_runs) < max_runs:
        return None
    return Reason.of(ReasonCode.PLAN, plan=account.plan.value, most=max_runs)


def _account(tx: Transaction, account_id: str) -> Account:
    account = tx.accounts.get(account_id)
    if account is None:
        raise UserMissing
    return account
