"""Sessions, one-time links and preferences."""

from __future__ import annotations

import json
from collections.abc import Collection

from sqlalchemy import Connection, and_, delete, func, select, update

from fyke.model.user import OneTimeLink, Preferences, Purpose, Session
from fyke.storage.sql.dialects import fetch_one, to_storable_text, upsert
from fyke.storage.sql.people_tables import one_time_links, preferences, sessions
from fyke.storage.sql.records import columns, many, one, record, was_applied

_BY_DIGEST = "SELECT * FROM sessions WHERE digest = ?"
_PREFERENCES = "SELECT * FROM preferences WHERE user_id = ?"


class SqlSessions:
    """``contracts.SessionStore`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def add(self, session: Session) -> None:
        self._db.execute(sessions.insert(), columns(session))

    def by_digest(self, digest: str) -> Session | None:
        # asked for every page, hence straight to the driver
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

    def end(self, user_id: str, at: int, *, session_id: str = "", but: str = "") -> int:
        chosen = and_(sessions.c.user_id == user_id, sessions.c.ended_at == 0)
        if session_id:
            chosen = and_(chosen, sessions.c.id == session_id)
        if but:
            chosen = and_(chosen, sessions.c.id != but)
        return self._db.execute(update(sessions).where(chosen).values(ended_at=at)).rowcount

    def keep_newest(self, user_id: str, count: int) -> int:
        mine = select(sessions.c.id).where(sessions.c.user_id == user_id)
        order = sessions.c.seen_at.desc(), sessions.c.id.desc()
        # SQLite takes an offset only behind a limit
        older = mine.order_by(*order).limit(10_000).offset(count)
        return self._db.execute(delete(sessions).where(sessions.c.id.in_(older))).rowcount

    def remove_expired(self, now: int, limit: int) -> int:
        old = select(sessions.c.id).where(sessions.c.expires_at <= now).limit(limit)
        return self._db.execute(delete(sessions).where(sessions.c.id.in_(old))).rowcount


class SqlLinks:
    """``contracts.LinkStore`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

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
        found = self.get(digest)
        valid = and_(
            one_time_links.c.digest == digest,
            one_time_links.c.purpose == purpose.value,
            one_time_links.c.expires_at > now,
        )
        # whoever deletes the row has it: on PostgreSQL the second one waits here and finds none
        gone = self._db.execute(delete(one_time_links).where(valid))
        return found if was_applied(gone) else None

    def remove_of_user(self, user_id: str) -> None:
        self._db.execute(delete(one_time_links).where(one_time_links.c.user_id == user_id))

    def remove_expired(self, now: int) -> int:
        return self._db.execute(
            delete(one_time_links).where(one_time_links.c.expires_at <= now)
        ).rowcount


class SqlPreferences:
    """``contracts.PreferencesStore`` on one connection; the views are kept as JSON."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def get(self, user_id: str) -> Preferences:
        row = fetch_one(self._db, _PREFERENCES, (to_storable_text(user_id),))
        if row is None:
            return Preferences()
        return record({**row, "views": json.loads(row["views"])}, Preferences)

    def put(self, user_id: str, chosen: Preferences) -> None:
        values = {
            **columns(chosen),
            "user_id": user_id,
            "views": json.dumps(dict(chosen.views), ensure_ascii=False),
        }
        self._db.execute(upsert(self._db, preferences, values, key=("user_id",)))
