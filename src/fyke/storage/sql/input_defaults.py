"""The inputs that the forms of users begin with."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, delete, select

from fyke.storage.sql.dialects import upsert
from fyke.storage.sql.form_tables import input_defaults
from fyke.storage.sql.records import was_applied


class SqlInputDefaults:
    """``contracts.InputDefaultStore`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def get(self, user_id: str, worker_id: str) -> str | None:
        query = select(input_defaults.c.input_json).where(*_of(user_id, worker_id))
        return self._db.execute(query).scalars().first()

    def put(self, user_id: str, worker_id: str, input_json: str, at: int) -> None:
        values = {
            "user_id": user_id,
            "worker_id": worker_id,
            "input_json": input_json,
            "saved_at": at,
        }
        self._db.execute(upsert(self._db, input_defaults, values, key=("user_id", "worker_id")))

    def remove(self, user_id: str, worker_id: str) -> bool:
        return was_applied(self._db.execute(delete(input_defaults).where(*_of(user_id, worker_id))))


def _of(user_id: str, worker_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return input_defaults.c.user_id == user_id, input_defaults.c.worker_id == worker_id
