"""The environments of versions: which are ready, and which are to be prepared."""

from __future__ import annotations

from collections.abc import Callable, Collection

from sqlalchemy import Connection, Table, and_, delete, func, or_, select, text, tuple_, update

from fyke.model.worker import MAX_PREPARATION_PAUSE_MS, EnvironmentState, VersionEnvironment
from fyke.storage.sql.dialects import fetch_one, insert_new, to_storable_text, upsert
from fyke.storage.sql.state.columns import (
    metadata,
    number_column,
    partial_index,
    reason_columns,
    ref_column,
    text_column,
)
from fyke.storage.sql.state.records import SqlStore, columns, record, was_applied
from fyke.storage.sql.state.runs.tables import attempts, runs
from fyke.storage.sql.state.workers import versions, workers

environments = Table(
    "version_environments",
    metadata,
    ref_column("version_id", "versions.id", key=True),
    text_column("state"),
    *reason_columns(),
    text_column("runner_id"),
    number_column("tries"),
    number_column("not_before"),
)
partial_index(
    "ix_version_environments_due",
    environments.c.version_id,
    where="state = 'preparing'",
)

_BY_VERSION = "SELECT * FROM version_environments WHERE version_id = ?"
# a literal, because a partial index is used only if the statement has its condition verbatim
_PREPARING = text("version_environments.state = 'preparing'")


class SqlEnvironments(SqlStore):
    """Implements ``EnvironmentStore``."""

    def __init__(self, connection: Connection, now: Callable[[], int]) -> None:
        super().__init__(connection)
        self._now = now

    def request(self, version_id: str) -> bool:
        due = columns(VersionEnvironment(version_id, EnvironmentState.PREPARING))
        if was_applied(self._db.execute(insert_new(self._db, environments), due)):
            return True
        failed = (
            environments.c.version_id == version_id,
            environments.c.state == str(EnvironmentState.FAILED),
        )
        return was_applied(self._db.execute(update(environments).where(*failed).values(**due)))

    def get(self, version_id: str) -> VersionEnvironment | None:
        # runs with every start of an attempt, hence directly on the driver
        row = fetch_one(self._db, _BY_VERSION, (to_storable_text(version_id),))
        return None if row is None else record(row, VersionEnvironment)

    def of_worker(self, worker_id: str) -> dict[str, VersionEnvironment]:
        query = (
            select(versions.c.number, environments)
            .join(versions, versions.c.id == environments.c.version_id)
            .where(versions.c.worker_id == worker_id)
        )
        rows = self._db.execute(query).mappings()
        return {row["number"]: record(row, VersionEnvironment) for row in rows}

    def waiting(self, active: Collection[str]) -> dict[str, tuple[str, str]]:
        # the clock may have been set back since, see leases.py
        not_before, now = environments.c.not_before, self._now()
        under_way = (
            select(runs.c.worker_id, runs.c.version)
            .join(attempts, attempts.c.run_id == runs.c.id)
            .where(attempts.c.outcome.is_(None))
        )
        first = (
            select(workers.c.account_id, func.min(environments.c.version_id).label("version_id"))
            .join(versions, versions.c.id == environments.c.version_id)
            .join(workers, workers.c.id == versions.c.worker_id)
            .where(
                _PREPARING,
                workers.c.deleted_at == 0,
                environments.c.runner_id.not_in(sorted(active)),
                or_(not_before <= now, not_before > now + MAX_PREPARATION_PAUSE_MS),
                tuple_(versions.c.worker_id, versions.c.number).not_in(under_way),
            )
            .group_by(workers.c.account_id)
            .subquery()
        )
        query = select(first.c.account_id, versions.c.worker_id, versions.c.number).join(
            versions, versions.c.id == first.c.version_id
        )
        return {row.account_id: (row.worker_id, row.number) for row in self._db.execute(query)}

    def claim(self, before: VersionEnvironment, runner_id: str) -> bool:
        return self._replace(before.version_id, before.runner_id, {"runner_id": runner_id})

    def end(self, after: VersionEnvironment, runner_id: str) -> bool:
        return self._replace(after.version_id, runner_id, columns(after))

    def _replace(self, version_id: str, runner_id: str, values: dict[str, object]) -> bool:
        due = and_(
            environments.c.version_id == version_id,
            environments.c.runner_id == runner_id,
            environments.c.state == str(EnvironmentState.PREPARING),
        )
        return was_applied(self._db.execute(update(environments).where(due).values(**values)))

    def put(self, environment: VersionEnvironment) -> None:
        values = columns(environment)
        self._db.execute(upsert(self._db, environments, values, key=("version_id",)))

    def remove_of_worker(self, worker_id: str) -> None:
        of_worker = select(versions.c.id).where(versions.c.worker_id == worker_id)
        self._db.execute(delete(environments).where(environments.c.version_id.in_(of_worker)))
