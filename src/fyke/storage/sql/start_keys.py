"""Keys of starts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, select, tuple_, update

from fyke.model.run import StartRecord
from fyke.storage.sql.dialects import insert_new
from fyke.storage.sql.records import columns, one, was_applied
from fyke.storage.sql.start_key_tables import start_keys


class SqlStartKeys:
    """``contracts.StartKeyStore`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def get(self, account_id: str, key: str) -> StartRecord | None:
        return one(
            self._db.execute(select(start_keys).where(*_named(account_id, key))), StartRecord
        )

    def claim(self, record: StartRecord, now: int) -> bool:
        """The insert waits for another one of the same key; what follows sees its commit."""
        if was_applied(self._db.execute(insert_new(self._db, start_keys), columns(record))):
            return True
        statement = (
            update(start_keys)
            .where(*_named(record.account_id, record.key), start_keys.c.expires_at <= now)
            .values(
                digest=record.digest,
                made=record.made,
                ref=record.ref,
                expires_at=record.expires_at,
            )
        )
        return was_applied(self._db.execute(statement))

    def remove_expired(self, now: int, limit: int) -> int:
        name = tuple_(start_keys.c.account_id, start_keys.c.key)
        old = (
            select(start_keys.c.account_id, start_keys.c.key)
            .where(start_keys.c.expires_at <= now)
            .order_by(start_keys.c.expires_at)
            .limit(limit)
        )
        still_old = start_keys.c.expires_at <= now  # one may have been claimed anew since
        return self._db.execute(delete(start_keys).where(name.in_(old), still_old)).rowcount


def _named(account_id: str, key: str) -> tuple[Any, Any]:
    return start_keys.c.account_id == account_id, start_keys.c.key == key
