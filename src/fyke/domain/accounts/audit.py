"""The audit log: written in the transaction of each action, read by the account's owners.

Entries are never changed, and only removed after the retention period.
"""

from __future__ import annotations

from collections.abc import Sequence

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit_actions import action_of
from fyke.domain.accounts.rights import require_owner
from fyke.errors import InvalidRequest
from fyke.model.account import Caller
from fyke.model.audit import AuditAction, AuditEntry

MAX_ENTRIES = 200
KEEP_DAYS = 365  # by default


def record(
    tx: Transaction, caller: Caller, action: AuditAction, target: str, detail: str = ""
) -> None:
    """Record an action of ``caller`` in the log of the caller's account."""
    tx.audit.add(action_of(caller, action, target, detail))


def record_for(
    tx: Transaction,
    account_id: str,
    caller: Caller,
    action: AuditAction,
    target: str,
    detail: str = "",
) -> None:
    """Record an action of ``caller`` on an account: in the log of that account and, if the caller
    has another account, in the log of the caller's account too.
    """
    if account_id != caller.account_id:
        by = f"by the account {caller.account_name}"
        full_detail = f"{detail}; {by}" if detail else by
        tx.audit.add(action_of(caller, action, target, full_detail, account_id=account_id))
    record(tx, caller, action, target, detail)


class AuditLog:
    """Reads the log of an account."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def page(
        self, caller: Caller, *, before: int = 0, limit: int = 50, action: str = ""
    ) -> list[AuditEntry]:
        """Entries with a number below ``before`` (0 = from the newest on), newest first, optionally
        of one ``action`` only. Raises ``Forbidden``, ``InvalidRequest``.
        """
        require_owner(caller, "Reading the audit log")
        if not 1 <= limit <= MAX_ENTRIES:
            raise InvalidRequest(f"must be 1 to {MAX_ENTRIES}", field="limit")
        if before < 0:
            raise InvalidRequest("must be the number of an entry, or 0", field="before")
        if action and action not in set(AuditAction):
            raise InvalidRequest(
                f"unknown action {action[:40]!r}; use one of {', '.join(AuditAction)}",
                field="action",
            )
        return await self._storage.read(
            lambda tx: tx.audit.page(caller.account_id, before=before, limit=limit, action=action)
        )

    async def about(
        self, caller: Caller, target: str, actions: Sequence[AuditAction], limit: int = 20
    ) -> list[AuditEntry]:
        """The latest entries of these actions about ``target``, newest first. Raises
        ``Forbidden``.
        """
        require_owner(caller, "Reading the audit log")

        def work(tx: Transaction) -> list[AuditEntry]:
            found = []
            for action in actions:  # each is a short range of an index; the whole log may be long
                found += tx.audit.page(
                    caller.account_id, before=0, limit=limit, action=action, target=target
                )
            return sorted(found, key=lambda entry: entry.seq, reverse=True)[:limit]

        return await self._storage.read(work)
