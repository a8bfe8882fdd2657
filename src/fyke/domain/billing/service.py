"""Reserves money at the start of a run and settles it at the end, in the transaction that starts or
ends the run.

So a run never exists without its reserved amount or ends without its charge. When two processes end
a run at the same time, only one of them books. Entries without an amount are not written.
"""

from __future__ import annotations

from dataclasses import replace

from fyke.contracts.state import Transaction
from fyke.domain.billing.caps import check_month_cap, month_of
from fyke.domain.billing.pricing import Hold, hold, start_price
from fyke.errors import (
    CapReached,
    InsufficientBalance,
    InsufficientTraffic,
    InvalidRequest,
    UserMissing,
)
from fyke.kit.decimals import millionths
from fyke.kit.ids import new_ulid
from fyke.model.account import Account
from fyke.model.billing import EntryKind, LedgerEntry, Prices
from fyke.model.run import Run
from fyke.reasons import Reason, ReasonCode


def place_hold(tx: Transaction, prices: Prices, run: Run) -> Hold:
    """Reserve the possible cost of ``run``; the caller stores the result in the run.

    Raises ``InvalidRequest`` when ``max_total_charge`` is below the price of the start,
    ``CapReached``, ``InsufficientBalance`` or ``InsufficientTraffic``; then nothing was changed.
    """
    if not prices.any() and not prices.traffic_quota:
        return Hold(0)
    placed = required_hold(tx, prices, run, tx.accounts.lock(run.account_id))
    if placed.micros:
        _append(tx, run, EntryKind.HOLD, usd=-placed.micros)
    return placed


def extend_hold(tx: Transaction, prices: Prices, run: Run) -> Hold:
    """Reserve the possible cost of ``run``, which has been granted more than at its start; the
    caller has locked the run and stores the result in it.

    It is the amount that a start with the same limits would reserve, and never less than before.
    A run for which nothing was reserved is free and stays so. Raises the errors of
    ``place_hold``; then nothing was changed.
    """
    before = Hold(run.hold_micros, run.bound)
    account = tx.accounts.lock(run.account_id) if run.hold_micros else None
    if account is None:
        return before
    without = replace(account, held_micros=account.held_micros - run.hold_micros)
    extended = required_hold(tx, prices, run, without)
    if extended.micros <= before.micros:
        return before
    _append(tx, run, EntryKind.HOLD, usd=before.micros - extended.micros)
    return extended


def required_hold(tx: Transaction, prices: Prices, run: Run, account: Account | None) -> Hold:
    """The amount that ``place_hold`` would reserve. Raises the same errors, changes nothing."""
    if account is None:
        raise UserMissing
    available = account.balance_micros - account.held_micros
    month = month_of(tx, account) if prices.any() else None
    required = hold(
        prices,
        run.limits,
        subtasks=run.subtasks,
        available=available,
        run_cap=account.run_cap_micros,
        month_left=month.left if month else None,
    )
    lowest = start_price(prices, run.limits, subtasks=run.subtasks)
    _check_caps(run, account, lowest)
    if month:
        check_month_cap(month, lowest)
    if required.micros > 0 and available < required.micros:
        raise InsufficientBalance(_balance_too_low(tx, run, required.micros, available))
    if prices.traffic_quota and _traffic_left(account, tx.now) <= 0:
        raise InsufficientTraffic(Reason(ReasonCode.TRAFFIC_QUOTA))
    return required


def _check_caps(run: Run, account: Account, lowest: int) -> None:
    """Refuse a start for which the run's own cap, or that of its account, leaves less than
    ``lowest``.
    """
    if 0 < run.limits.max_charge_micros < lowest:
        raise InvalidRequest(
            f"must be at least {millionths(lowest)} USD, the price of the first 10 seconds of the "
            "run, or 0 for no cap",
            field="input.parameters.system.max_total_charge",
        )
    if 0 < account.run_cap_micros < lowest:
        raise CapReached(
            Reason.of(
                ReasonCode.RUN_CAP_TOO_LOW,
                cap_micros=account.run_cap_micros,
                needed_micros=lowest,
            )
        )


def settle(tx: Transaction, prices: Prices, run: Run) -> None:
    """Release the reserved amount of ``run``, and book its final cost and traffic.

    Must be called in the transaction that ends the run, once no other can end it. Traffic is
    deducted only where accounts have a traffic quota.
    """
    if run.hold_micros:
        _append(tx, run, EntryKind.RELEASE, usd=run.hold_micros)
    traffic = run.traffic_bytes if prices.traffic_quota else 0
    if run.usage_micros or traffic:
        _append(tx, run, EntryKind.USAGE, usd=-run.usage_micros, traffic=-traffic)


def _traffic_left(account: Account, now: int) -> int:
    expired = 0 < account.traffic_expires_at <= now
    return 0 if expired else account.traffic_bytes


def _balance_too_low(tx: Transaction, run: Run, amount: int, available: int) -> Reason:
    holder, held = tx.admission.largest_hold(run.account_id, besides=run.id) or (None, None)
    return Reason.of(
        ReasonCode.BALANCE_TOO_LOW,
        needed_micros=amount,
        free_micros=max(0, available),
        holder=holder,
        held_micros=held,
    )


def _append(tx: Transaction, run: Run, kind: EntryKind, *, usd: int, traffic: int = 0) -> None:
    tx.ledger.append(
        LedgerEntry(
            id=new_ulid(),
            account_id=run.account_id,
            at=tx.now,
            kind=kind,
            usd_micros=usd,
            traffic_bytes=traffic,
            run_id=run.id,
            note="",
        )
    )
