"""The spending caps of an account, and its spending in the current month."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit import record_for
from fyke.domain.accounts.rights import require_editor, require_operator, require_owner
from fyke.domain.billing.caps import SpendingMonth, current_month
from fyke.errors import InvalidRequest, NotFound, UserMissing
from fyke.kit.decimals import millionths
from fyke.model.account import Account, Caller
from fyke.model.audit import AuditAction
from fyke.model.billing import MICROS, Prices

_MAX_MICROS = 10**18  # it fits into 64 bits
_ACTION = "Changing the caps of an account"


@dataclass(frozen=True, slots=True)
class SpendingStatus:
    """An account with its caps and its current month. ``priced``: whether runs cost money; without
    prices caps have no effect.
    """

    account: Account
    month: SpendingMonth
    priced: bool


@dataclass(frozen=True, slots=True)
class CapChange:
    """US dollars; 0 = no cap, None = unchanged."""

    run: Decimal | None = None
    month: Decimal | None = None


class Spending:
    """Reads and changes the caps of accounts."""

    def __init__(self, storage: Storage, prices: Prices) -> None:
        self._storage = storage
        self.priced = prices.any()  # whether runs cost money

    async def status(self, caller: Caller) -> SpendingStatus:
        """The status of the caller's own account."""
        return await self._storage.read(lambda tx: self._status(tx, _own_account(tx, caller)))

    async def change(
        self, caller: Caller, caps: CapChange, *, account: str | None = None
    ) -> SpendingStatus:
        """Change the caps of the caller's own account, or (operator only) of the account named.

        They apply from the next start on, and to active runs from their next report on. Raises
        ``Forbidden``, ``NotFound``, and ``InvalidRequest`` for an amount that is negative or finer
        than a millionth.
        """
        if account is None:
            require_owner(caller, _ACTION)
        else:
            require_operator(caller, "Changing the caps of other accounts")
            require_editor(caller, _ACTION)
        run, month = _micros("run_cap", caps.run), _micros("month_cap", caps.month)

        def work(tx: Transaction) -> SpendingStatus:
            target = _own_account(tx, caller) if account is None else _account_named(tx, account)
            before = tx.accounts.lock(target.id) or target
            new_run = before.run_cap_micros if run is None else run
            new_month = before.month_cap_micros if month is None else month
            tx.accounts.set_caps(before.id, run_cap_micros=new_run, month_cap_micros=new_month)
            note = f"run_cap {_format_cap(new_run)}, month_cap {_format_cap(new_month)}"
            record_for(tx, before.id, caller, AuditAction.CAPS, before.name, note)
            return self._status(tx, tx.accounts.get(before.id) or before)

        return await self._storage.write(work)

    def _status(self, tx: Transaction, account: Account) -> SpendingStatus:
        return SpendingStatus(account, current_month(tx, account), self.priced)


def _own_account(tx: Transaction, caller: Caller) -> Account:
    account = tx.accounts.get(caller.account_id)
    if account is None:
        raise UserMissing
    return account


def _account_named(tx: Transaction, name: str) -> Account:
    account = tx.accounts.by_name(name)
    if account is None:
        raise NotFound(f'There is no account named "{name[:60]}"')
    return account


def _micros(field: str, amount: Decimal | None) -> int | None:
    if amount is None:
        return None
    micros = amount * MICROS if amount.is_finite() else Decimal(-1)
    if not 0 <= micros <= _MAX_MICROS:
        maximum = _MAX_MICROS // MICROS
        raise InvalidRequest(f"must be from 0 (no cap) to {maximum:,} US dollars", field=field)
    if micros != int(micros):
        raise InvalidRequest("must not be finer than a millionth of a US dollar", field=field)
    return int(micros)


def _format_cap(micros: int) -> str:
    return f"{millionths(micros)} USD" if micros else "none"
