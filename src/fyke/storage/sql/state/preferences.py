"""Preferences, favourites and default inputs of users."""

from __future__ import annotations

import json

from sqlalchemy import ColumnElement, Table, delete, select

from fyke.model.user import Preferences
from fyke.storage.sql.dialects import fetch_one, insert_new, to_storable_text, upsert
from fyke.storage.sql.state.columns import metadata, number_column, ref_column, text_column
from fyke.storage.sql.state.records import SqlStore, columns, record, was_applied

preferences = Table(
    "preferences",
    metadata,
    ref_column("user_id", "users.id", key=True, cascade=True),
    text_column("language"),
    text_column("theme"),
    text_column("time_zone"),
    text_column("snippets"),
    text_column("views"),  # JSON object
)

favourites = Table(
    "favourites",
    metadata,
    text_column("user_id", key=True),
    ref_column("worker_id", "workers.id", key=True),
    number_column("added_at"),
)

input_defaults = Table(
    "input_defaults",
    metadata,
    text_column("user_id", key=True),
    ref_column("worker_id", "workers.id", key=True),
    text_column("input_json"),
    number_column("saved_at"),
)

_PREFERENCES = "SELECT * FROM preferences WHERE user_id = ?"


class SqlPreferences(SqlStore):
    """Implements ``PreferencesStore``. ``views`` is stored as JSON."""

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


class SqlFavourites(SqlStore):
    """Implements ``FavouriteStore``."""

    def add(self, user_id: str, worker_id: str, at: int) -> None:
        values = {"user_id": user_id, "worker_id": worker_id, "added_at": at}
        self._db.execute(insert_new(self._db, favourites), values)

    def remove(self, user_id: str, worker_id: str) -> None:
        favourite = favourites.c.user_id == user_id, favourites.c.worker_id == worker_id
        self._db.execute(delete(favourites).where(*favourite))

    def of_user(self, user_id: str) -> list[str]:
        query = select(favourites.c.worker_id).where(favourites.c.user_id == user_id)
        order = favourites.c.added_at.desc(), favourites.c.worker_id.desc()
        return list(self._db.execute(query.order_by(*order)).scalars())


class SqlInputDefaults(SqlStore):
    """Implements ``InputDefaultStore``."""

    def get(self, user_id: str, worker_id: str) -> str | None:
        query = select(input_defaults.c.input_json).where(*_by_key(user_id, worker_id))
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
        statement = delete(input_defaults).where(*_by_key(user_id, worker_id))
        return was_applied(self._db.execute(statement))


def _by_key(user_id: str, worker_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return input_defaults.c.user_id == user_id, input_defaults.c.worker_id == worker_id
