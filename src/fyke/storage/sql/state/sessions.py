"""Sessions, one-time links, and the audit log."""

from __future__ import annotations

from collections.abc import Callable, Collection

from sqlalchemy import (
    Connection,
    Index,
    Table,
    UniqueConstraint,
    and_,
    delete,
    func,
    select,
    update,
)

from fyke.model.audit import AuditEntry, NewAudit
from fyke.model.user import OneTimeLink, Purpose, Session
from fyke.storage.sql.dialects import fetch_one, to_storable_text
from fyke.storage.sql.state.columns import (
    metadata,
    number_column,
    ref_column,
    serial_column,
    text_column,
)
from fyke.storage.sql.state.records import SqlStore, columns, many, one, record, was_applied

sessions = Table(
    "sessions",
    metadata,
    text_column("id", key=True),
    ref_column("user_id", "users.id", cascade=True),
    text_column("digest"),
    number_column("created_at"),
    number_column("seen_at"),
    number_column("expires_at"),
    number_column("ended_at"),
    text_column("agent"),
    text_column("address"),
    number_column("verified_at"),
    UniqueConstraint("digest"),
    Index(None, "user_id"),
    Index(None, "expires_at"),
)

one_time_links = Table(
    "one_time_links",
    metadata,
    text_column("digest", key=True),
    text_column("purpose"),
    ref_column("user_id", "users.id", cascade=True),
    number_column("created_at"),
    number_column("expires_at"),
    Index(None, "user_id"),
)

audit = Table(
    "audit",
    metadata,
    serial_column("seq"),
    text_column("account_id"),  # no references: entries are kept when their subjects are deleted
    number_column("at"),
    text_column("user_id"),
    text_column("user_name"),
    text_column("key_id"),
    text_column("session_id"),
    text_column("address"),
    text_column("action"),
    text_column("target"),
    text_column("detail"),
    Index(None, "account_id", "seq"),
    Index(None, "account_id", "action", "seq"),
    Index(None, "at"),
)

_BY_DIGEST = "SELECT * FROM sessions WHERE digest = ?"


class SqlSessions(SqlStore):
    """Implements ``SessionStore``."""

    def add(self, session: Session) -> None:
        self._db.execute(sessions.insert(), columns(session))

    def get(self, session_id: str) -> Session | None:
        query = select(sessions).where(sessions.c.id == to_storable_text(session_id))
        return one(self._db.execute(query), Session)

    def by_digest(self, digest: str) -> Session | None:
        # runs once per page, hence directly on the driver
        row = fetch_one(self._db, _BY_DIGEST, (to_storable_text(digest),))
        return None if row is None else record(row, Session)

    def of_user(self, user_id: str) -> list[Session]:
        query = select(sessions).where(sessions.c.user_id == user_id)
        order = sessions.c.seen_at.desc(), sessions.c.id.desc()
        return many(self._db.execute(query.order_by(*order)), Session)

    def last_seen(self, user_ids: Collection[str]) -> dict[str, int]:
        query = (
            select(sessions.c.user_id, func.max(sessions.c.seen_at))
            .where(sessions.c.user_id.in_(list(user_ids)))
            .group_by(sessions.c.user_id)
        )
        return {row[0]: row[1] for row in self._db.execute(query)}

    def touch(self, session_id: str, at: int) -> None:
        self._db.execute(update(sessions).where(sessions.c.id == session_id).values(seen_at=at))

    def verify(self, session_id: str, digest: str, at: int) -> None:
        change = update(sessions).where(sessions.c.id == session_id)
        self._db.execute(change.values(digest=digest, verified_at=at))

    def end(self, user_id: str, at: int, *, session_id: str = "", except_id: str = "") -> int:
        conditions = and_(sessions.c.user_id == user_id, sessions.c.ended_at == 0)
        if session_id:
            conditions = and_(conditions, sessions.c.id == session_id)
        if except_id:
            conditions = and_(conditions, sessions.c.id != except_id)
        return self._db.execute(update(sessions).where(conditions).values(ended_at=at)).rowcount

    def keep_newest(self, user_id: str, count: int) -> int:
        ids = select(sessions.c.id).where(sessions.c.user_id == user_id)
        order = sessions.c.seen_at.desc(), sessions.c.id.desc()
        # SQLite accepts OFFSET only after LIMIT
        older = ids.order_by(*order).limit(10_000).offset(count)
        return self._db.execute(delete(sessions).where(sessions.c.id.in_(older))).rowcount

    def remove_expired(self, now: int, limit: int) -> int:
        old = select(sessions.c.id).where(sessions.c.expires_at <= now).limit(limit)
        return self._db.execute(delete(sessions).where(sessions.c.id.in_(old))).rowcount


class SqlLinks(SqlStore):
    """Implements ``LinkStore``."""

    def put(self, link: OneTimeLink) -> None:
        self.remove_of_user(link.user_id)
        self._db.execute(one_time_links.insert(), columns(link))

    def get(self, digest: str) -> OneTimeLink | None:
        query = select(one_time_links).where(one_time_links.c.digest == digest)
        return one(self._db.execute(query), OneTimeLink)

    def of_user(self, user_id: str) -> OneTimeLink | None:
        query = select(one_time_links).where(one_time_links.c.user_id == user_id)
        return one(
            self._db.execute(query.order_by(one_time_links.c.created_at.desc())), OneTimeLink
        )

    def use(self, digest: str, purpose: Purpose, now: int) -> OneTimeLink | None:
        link = self.get(digest)
        valid = and_(
            one_time_links.c.digest == digest,
            one_time_links.c.purpose == purpose.value,
            one_time_links.c.expires_at > now,
        )
        # deleting the row claims it: on PostgreSQL a concurrent caller waits here and deletes none
        deleted = self._db.execute(delete(one_time_links).where(valid))
        return link if was_applied(deleted) else None

    def remove_of_user(self, user_id: str) -> None:
        self._db.execute(delete(one_time_links).where(one_time_links.c.user_id == user_id))

    def remove_expired(self, now: int) -> int:
        return self._db.execute(
            delete(one_time_links).where(one_time_links.c.expires_at <= now)
        ).rowcount


class SqlAudit(SqlStore):
    """Implements ``AuditStore``; ``now`` is the time of the transaction."""

    def __init__(self, connection: Connection, now: Callable[[], int]) -> None:
        super().__init__(connection)
        self._now = now

    def add(self, entry: NewAudit) -> None:
        self._db.execute(audit.insert(), {**columns(entry), "at": self._now()})

    def page(
        self, account_id: str, *, before: int, limit: int, action: str, target: str = ""
    ) -> list[AuditEntry]:
        query = select(audit).where(audit.c.account_id == account_id)
        if action:
            query = query.where(audit.c.action == action)
        if target:
            query = query.where(audit.c.target == to_storable_text(target))
        if before:
            query = query.where(audit.c.seq < before)
        return many(self._db.execute(query.order_by(audit.c.seq.desc()).limit(limit)), AuditEntry)

    def remove_before(self, at: int, limit: int) -> int:
        old = select(audit.c.seq).where(audit.c.at < at).order_by(audit.c.at).limit(limit)
        return self._db.execute(delete(audit).where(audit.c.seq.in_(old))).rowcount
