"""The servers that share this database."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, select

from fyke.storage.sql.dialects import upsert
from fyke.storage.sql.queue_tables import servers


class SqlServers:
    """``contracts.ServerStore`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def beat(self, server_id: str, now: int) -> None:
        values = {"id": server_id, "heartbeat_at": now}
        self._db.execute(upsert(self._db, servers, values, key=("id",)))

    def living(self, since: int) -> int:
        query = select(func.count()).select_from(servers).where(servers.c.heartbeat_at >= since)
        return self._db.execute(query).scalar_one()

    def drop(self, server_id: str) -> None:
        self._db.execute(delete(servers).where(servers.c.id == server_id))

    def drop_silent(self, since: int) -> None:
        self._db.execute(delete(servers).where(servers.c.heartbeat_at < since))
