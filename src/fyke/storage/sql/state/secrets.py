"""The sealed secrets of accounts for workers."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Index, Table, delete, select, update

from fyke.model.secret import SealedSecret
from fyke.storage.sql.dialects import upsert
from fyke.storage.sql.state.columns import metadata, number_column, ref_column, text_column
from fyke.storage.sql.state.records import SqlStore, columns, many, was_applied

secrets = Table(
    "worker_secrets",
    metadata,
    ref_column("account_id", "accounts.id", key=True),
    ref_column("worker_id", "workers.id", key=True),
    text_column("name", key=True),
    text_column("key_id"),  # of the key that sealed it
    text_column("sealed"),  # base64
    text_column("set_by"),
    number_column("set_at"),
    number_column("used_at"),
    Index(None, "worker_id"),
)

_KEY = ("account_id", "worker_id", "name")


class SqlSecrets(SqlStore):
    """Implements ``SecretStore``."""

    def of(self, account_id: str, worker_id: str) -> list[SealedSecret]:
        query = select(secrets).where(*_of(account_id, worker_id)).order_by(secrets.c.name)
        return many(self._db.execute(query), SealedSecret)

    def put(self, secret: SealedSecret) -> None:
        self._db.execute(upsert(self._db, secrets, columns(secret), key=_KEY))

    def remove(self, account_id: str, worker_id: str, name: str) -> bool:
        secret = (*_of(account_id, worker_id), secrets.c.name == name)
        return was_applied(self._db.execute(delete(secrets).where(*secret)))

    def remove_of_worker(self, worker_id: str) -> None:
        self._db.execute(delete(secrets).where(secrets.c.worker_id == worker_id))

    def note_use(self, account_id: str, worker_id: str, names: Sequence[str], at: int) -> None:
        earlier = (*_of(account_id, worker_id), secrets.c.name.in_(names), secrets.c.used_at < at)
        self._db.execute(update(secrets).where(*earlier).values(used_at=at))


def _of(account_id: str, worker_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return secrets.c.account_id == account_id, secrets.c.worker_id == worker_id
