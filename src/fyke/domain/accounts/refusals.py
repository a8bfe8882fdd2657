"""Refused requests in the audit log.

A client that is refused repeatedly adds one entry a minute, not one for each request: entries
are limited for each caller, and without a valid key for each network and in total.
"""

from __future__ import annotations

from dataclasses import replace

import structlog

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit_actions import action_of, refused_key
from fyke.domain.accounts.throttle import Allowance, SignInAttempts, network_of
from fyke.errors import ConfirmationNeeded, Forbidden, Unauthenticated, Unavailable
from fyke.kit.clock import Clock
from fyke.model.account import Caller
from fyke.model.audit import AuditAction, NewAudit

log = structlog.get_logger()

CALLER_ALLOWANCE = Allowance(20, 60)
NETWORK_ALLOWANCE = Allowance(5, 60)
TOTAL_ALLOWANCE = Allowance(100, 10)


class Refusals:
    """Records refusals for lack of a role, a scope or a valid key; counts are in memory.

    ``operation`` is a method and the template of a path, because paths may contain secrets.
    """

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._by_caller = SignInAttempts(CALLER_ALLOWANCE, clock)
        self._by_network = SignInAttempts(NETWORK_ALLOWANCE, clock)
        self._in_total = SignInAttempts(TOTAL_ALLOWANCE, clock)

    async def forbidden(
        self, caller: Caller, address: str, operation: str, error: Forbidden
    ) -> None:
        """Record a refusal in the log of the caller's account, unless the caller only has to
        confirm the password.
        """
        if isinstance(error, ConfirmationNeeded):
            return
        if _admit((self._by_caller, caller.key_id or caller.user_id)):
            caller = replace(caller, address=address)
            entry = action_of(caller, AuditAction.REFUSED, operation, error.message)
            await self._write(entry)

    async def invalid_key(self, address: str, operation: str, error: Unauthenticated) -> None:
        """Record a key that is not valid in the log of the operator's account."""
        if _admit((self._by_network, network_of(address)), (self._in_total, "")):
            await self._write(refused_key(address, operation, error.message))

    async def _write(self, entry: NewAudit) -> None:
        def work(tx: Transaction) -> None:
            operator = "" if entry.account_id else _operator_id(tx)
            tx.audit.add(replace(entry, account_id=entry.account_id or operator))

        try:
            await self._storage.write(work)
        except Unavailable as error:
            # with a full disk the client still gets the refusal
            log.warning("refusal_not_recorded", operation=entry.target, cause=str(error))


def _admit(*counts: tuple[SignInAttempts, str]) -> bool:
    if any(attempts.wait(key) for attempts, key in counts):
        return False
    for attempts, key in counts:
        attempts.take(key)
    return True


def _operator_id(tx: Transaction) -> str:
    operator = tx.accounts.operator()
    return operator.id if operator else ""
