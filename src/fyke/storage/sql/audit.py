"""The audit log."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, delete, select

from fyke.model.audit import AuditEntry, NewAudit
from fyke.storage.sql.people_tables import audit
from fyke.storage.sql.records import columns, many


class SqlAudit:
    """``contracts.AuditStore`` on one connection; ``now`` is the time of the transaction."""

    def __init__(self, connection: Connection, now: Callable[[], int]) -> None:
        self._db = connection
        self._now = now

    def add(self, entry: NewAudit) -> None:
        self._db.execute(audit.insert(), {**columns(entry), "at": self._now()})

    def page(self, account_id: str, *, before: int, limit: int, action: str) -> list[AuditEntry]:
        query = select(audit).where(audit.c.account_id == account_id)
        if action:
            query = query.where(audit.c.action == action)
        if before:
            query = query.where(audit.c.seq < before)
        return many(self._db.execute(query.order_by(audit.c.seq.desc()).limit(limit)), AuditEntry)

    def remove_before(self, at: int, limit: int) -> int:
        old = select(audit.c.seq).where(audit.c.at < at).order_by(audit.c.at).limit(limit)
        return self._db.execute(delete(audit).where(audit.c.seq.in_(old))).rowcount
