"""Runners as they last reported."""

from __future__ import annotations

import json

from sqlalchemy import Connection, delete, select

from fyke.contracts import RunnerInfo
from fyke.storage.sql.dialects import upsert
from fyke.storage.sql.records import columns, record
from fyke.storage.sql.tables import runners


class RunnerTable:
    """The part of ``contracts.RunStore`` that knows runners."""

    _db: Connection

    def put_runner(self, runner: RunnerInfo) -> None:
        values = columns(runner) | {"checks": json.dumps(runner.checks)}
        self._db.execute(upsert(self._db, runners, values, key=("id",)))

    def runners(self, alive_since: int) -> list[RunnerInfo]:
        query = select(runners).where(runners.c.heartbeat_at >= alive_since)
        found = self._db.execute(query.order_by(runners.c.id)).mappings()
        return [record({**row, "checks": json.loads(row["checks"])}, RunnerInfo) for row in found]

    def drop_runner(self, runner_id: str) -> None:
        self._db.execute(delete(runners).where(runners.c.id == runner_id))
