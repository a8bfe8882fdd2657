"""Money around a run: set aside at its start, settled at its end, both inside the transaction
that starts or ends it.

So a run never exists without its reserved amount, or is ended without its charge, and the loser of
a race for the end books nothing. Entries without an amount are not written.
"""

from __future__ import annotations

from fyke.contracts.state import Transaction
from fyke.domain.billing.caps import month_of, refuse_beyond_month
from fyke.domain.billing.pricing import Hold, hold
from fyke.errors import InsufficientBalance, InsufficientTraffic, UserMissing
from fyke.kit.ids import new_ulid
from fyke.model.account import Account
from fyke.model.billing import EntryKind, LedgerEntry, Prices
from fyke.model.run import Run
from fyke.reasons import Reason, ReasonCode


def place_hold(tx: Transaction, prices: Prices, run: Run) -> Hold:
    """Set aside what ``run`` may cost and return it; the caller stores it in the run.

    Raises ``CapReached``, ``InsufficientBalance`` or ``InsufficientTraffic``; then nothing was
    changed.
    """
    if not prices.any() and not prices.traffic_quota:
        return Hold(0)
    found = needed(tx, prices, run, tx.accounts.lock(run.account_id))
    if found.micros:
        _append(tx, run, EntryKind.HOLD, usd=-found.micros)
    return found


def needed(tx: Transaction, prices: Prices, run: Run, account: Account | None) -> Hold:
    """What ``place_hold`` would set aside; raises what it would raise, and changes nothing."""
    if account is None:
        raise UserMissing
    available = account.balance_micros - account.held_micros
    month = month_of(tx, account) if prices.any() else None
    found = hold(
        prices,
        run.limits,
        subtasks=run.subtasks,
        available=available,
        run_cap=account.run_cap_micros,
        month_left=month.left if month else None,
    )
    if month:
        refuse_beyond_month(month)
    if found.micros > 0 and available < found.micros:
        raise InsufficientBalance(_too_little(found.micros, available))
    if prices.traffic_quota and _traffic_left(account, tx.now) <= 0:
        raise InsufficientTraffic(Reason(ReasonCode.TRAFFIC_QUOTA))
    return found


def settle(tx: Transaction, prices: Prices, run: Run) -> None:
    """Release the reserved amount of ``run`` and book its final ``usage_micros`` and
    ``traffic_bytes``.

    Must be called in the transaction that makes the run terminal, after that has been won.
    Traffic is counted down only where accounts have a quota of it.
    """
    if run.hold_micros:
        _append(tx, run, EntryKind.RELEASE, usd=run.hold_micros)
    traffic = run.traffic_bytes if prices.traffic_quota else 0
    if run.usage_micros or traffic:
        _append(tx, run, EntryKind.USAGE, usd=-run.usage_micros, traffic=-traffic)


def _traffic_left(account: Account, now: int) -> int:
    expired = 0 < account.traffic_expires_at <= now
    return 0 if expired else account.traffic_bytes


def _too_little(amount: int, available: int) -> Reason:
    return Reason.of(
        ReasonCode.BALANCE_TOO_LOW, needed_micros=amount, free_micros=max(0, available)
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
