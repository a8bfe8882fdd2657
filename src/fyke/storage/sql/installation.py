"""Questions over all accounts."""

from __future__ import annotations

from sqlalchemy import Connection, func, literal_column, select

from fyke.storage.sql.tables import run_counts, runs

_FINISHED = runs.c.finished_at > literal_column("0")  # literal: see the partial index


class SqlInstallation:
    """``contracts.InstallationStore`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def removable(self, before: int, most: int) -> tuple[int, int, int]:
        # what has an end is terminal, so the index has the answer without the runs
        some = (
            select(runs.c.finished_at)
            .where(_FINISHED, runs.c.finished_at < before)
            .order_by(runs.c.finished_at)
            .limit(most)
            .subquery()
        )
        at = some.c.finished_at
        query = select(func.count(), func.min(at), func.max(at)).select_from(some)
        count, oldest, newest = self._db.execute(query).one()
        return int(count), int(oldest or 0), int(newest or 0)

    def runs(self) -> int:
        return int(self._db.execute(select(func.sum(run_counts.c.n))).scalar() or 0)
