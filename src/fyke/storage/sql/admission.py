"""What stands between a run and its start: its account's other runs, older work, the load."""

from __future__ import annotations

from sqlalchemy import Connection, func, select, text

from fyke.contracts import RunnerLoad
from fyke.storage.sql.tables import attempts, runs, subtasks

# literal, because a partial index is used only where the database sees its condition
_UNDER_WAY = text("runs.state IN ('running', 'ending', 'aborting')")
_OPEN = ("ready", "running", "ending", "aborting")


class SqlAdmission:
    """``contracts.AdmissionStore`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def under_way(self, account_id: str) -> frozenset[str]:
        mine = runs.c.account_id == account_id
        going = self._db.execute(select(runs.c.id).where(mine, _UNDER_WAY)).scalars()
        begun = (
            select(runs.c.id)
            .join(attempts, attempts.c.run_id == runs.c.id)
            .where(attempts.c.outcome.is_(None), mine, runs.c.state == "ready")
        )
        return frozenset(going) | frozenset(self._db.execute(begun).scalars())

    def open(self, account_id: str, most: int) -> int:
        some = (
            select(runs.c.id)
            .where(runs.c.account_id == account_id, runs.c.state.in_(_OPEN))
            .limit(most)
            .subquery()
        )
        return self._db.execute(select(func.count()).select_from(some)).scalar_one()

    def ahead(self, run_id: str, most: int) -> int:
        older = (
            select(subtasks.c.run_id)
            .where(text("subtasks.state = 'waiting'"), subtasks.c.run_id < run_id)
            .limit(most)
            .subquery()
        )
        return self._db.execute(select(func.count()).select_from(older)).scalar_one()

    def loads(self) -> list[RunnerLoad]:
        query = (
            select(attempts.c.runner_id, func.sum(runs.c.cpus), func.sum(runs.c.memory_mb))
            .join(runs, runs.c.id == attempts.c.run_id)
            .where(attempts.c.outcome.is_(None))
            .group_by(attempts.c.runner_id)
        )
        return [
            RunnerLoad(runner, float(cpus), int(memory))
            for runner, cpus, memory in self._db.execute(query)
        ]

    def ready(self, account_id: str, limit: int) -> list[str]:
        query = (
            select(runs.c.id)
            .where(runs.c.account_id == account_id, runs.c.state == "ready")
            .order_by(runs.c.created_at.desc(), runs.c.id.desc())
            .limit(limit)
        )
        return list(self._db.execute(query).scalars())
