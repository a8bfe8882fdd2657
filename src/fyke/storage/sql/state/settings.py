"""Servers, and versions of the settings that must agree."""

from __future__ import annotations

import json

from sqlalchemy import BigInteger, Column, Table, delete, func, select

from fyke.model.settings_version import ServerBeat, SettingsVersion
from fyke.storage.sql.dialects import insert_new, upsert
from fyke.storage.sql.state.columns import metadata, number_column, text_column
from fyke.storage.sql.state.records import SqlStore, columns, record, was_applied

servers = Table(
    "servers",
    metadata,
    text_column("id", key=True),
    number_column("heartbeat_at"),
    text_column("place"),
    number_column("settings_version"),
)

settings_versions = Table(
    "settings_versions",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    text_column("config"),  # JSON object
    text_column("sealed"),  # by the key of the installation, JSON object
    text_column("changed"),  # JSON list
    text_column("stored_by"),
    text_column("place"),
    number_column("stored_at"),
)


class SqlServers(SqlStore):
    """Implements ``ServerStore``."""

    def heartbeat(self, beat: ServerBeat) -> None:
        self._db.execute(upsert(self._db, servers, columns(beat), key=("id",)))

    def active(self, since: int) -> list[ServerBeat]:
        query = select(servers).where(servers.c.heartbeat_at >= since).order_by(servers.c.id)
        return [record(row, ServerBeat) for row in self._db.execute(query).mappings()]

    def count_active(self, since: int) -> int:
        query = select(func.count()).select_from(servers).where(servers.c.heartbeat_at >= since)
        return self._db.execute(query).scalar_one()

    def drop(self, server_id: str) -> None:
        self._db.execute(delete(servers).where(servers.c.id == server_id))

    def drop_silent(self, since: int) -> None:
        self._db.execute(delete(servers).where(servers.c.heartbeat_at < since))


class SqlSettings(SqlStore):
    """Implements ``SettingsStore``."""

    def newest(self) -> SettingsVersion | None:
        query = select(settings_versions).order_by(settings_versions.c.number.desc()).limit(1)
        row = self._db.execute(query).mappings().first()
        if row is None:
            return None
        values = dict(row) | {name: json.loads(row[name]) for name in ("config", "changed")}
        return record(values, SettingsVersion)

    def newest_number(self) -> int:
        newest = self._db.execute(select(func.max(settings_versions.c.number))).scalar()
        return int(newest or 0)

    def add(self, version: SettingsVersion) -> bool:
        values = columns(version) | {
            "config": json.dumps(version.config, ensure_ascii=False),
            "changed": json.dumps(version.changed),
        }
        return was_applied(self._db.execute(insert_new(self._db, settings_versions), values))
