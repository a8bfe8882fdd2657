"""The packed environments of versions, and which are wanted."""

from __future__ import annotations

from collections.abc import Callable, Collection

from sqlalchemy import Connection, Table, and_, delete, or_, select, text, update

from fyke.model.worker import MAX_PREPARATION_PAUSE_MS, EnvironmentArchive
from fyke.storage.sql.dialects import insert_new, to_storable_text
from fyke.storage.sql.state.columns import (
    metadata,
    number_column,
    partial_index,
    reason_columns,
    ref_column,
    text_column,
)
from fyke.storage.sql.state.records import SqlStore, columns, one, was_applied
from fyke.storage.sql.state.workers import versions, workers

archives = Table(
    "environment_archives",
    metadata,
    ref_column("version_id", "versions.id", key=True),
    text_column("key"),
    text_column("digest"),
    number_column("size"),
    text_column("tree"),
    text_column("runner_id"),
    number_column("not_before"),
    *reason_columns(),
    text_column("log"),
    text_column("sources"),
)
partial_index("ix_environment_archives_wanted", archives.c.version_id, where="digest = ''")
partial_index("ix_environment_archives_key", archives.c.key, where="digest <> ''")

# literals, because a partial index is used only if the statement has its condition verbatim
_WANTED = text("environment_archives.digest = ''")
_STORED = text("environment_archives.digest <> ''")


class SqlEnvironmentArchives(SqlStore):
    """Implements ``EnvironmentArchiveStore``."""

    def __init__(self, connection: Connection, now: Callable[[], int]) -> None:
        super().__init__(connection)
        self._now = now

    def get(self, version_id: str) -> EnvironmentArchive | None:
        query = select(archives).where(archives.c.version_id == to_storable_text(version_id))
        return one(self._db.execute(query), EnvironmentArchive)

    def with_key(self, key: str) -> EnvironmentArchive | None:
        query = select(archives).where(_STORED, archives.c.key == key)
        query = query.order_by(archives.c.version_id).limit(1)
        return one(self._db.execute(query), EnvironmentArchive)

    def want(self, version_id: str, lost: str = "") -> bool:
        wanted = columns(EnvironmentArchive(version_id))
        if was_applied(self._db.execute(insert_new(self._db, archives), wanted)):
            return True
        of_version = archives.c.version_id == version_id
        is_lost = and_(archives.c.digest == lost, _STORED)
        # the clock may have been set back since, see leases.py
        not_before, now = archives.c.not_before, self._now()
        is_over = or_(not_before <= now, not_before > now + MAX_PREPARATION_PAUSE_MS)
        has_failed = and_(_WANTED, not_before != 0, is_over)
        query = update(archives).where(of_version, or_(is_lost, has_failed)).values(**wanted)
        return was_applied(self._db.execute(query))

    def wanted(self, active: Collection[str]) -> tuple[str, str] | None:
        query = (
            select(versions.c.worker_id, versions.c.number)
            .join(archives, archives.c.version_id == versions.c.id)
            .join(workers, workers.c.id == versions.c.worker_id)
            .where(
                _WANTED,
                workers.c.deleted_at == 0,
                archives.c.runner_id.not_in(sorted(active)),
                archives.c.not_before == 0,
            )
            .order_by(archives.c.version_id)
            .limit(1)
        )
        row = self._db.execute(query).first()
        return None if row is None else (row.worker_id, row.number)

    def claim(self, version_id: str, before: str, runner_id: str) -> bool:
        return self._replace(version_id, before, {"runner_id": runner_id})

    def end(self, after: EnvironmentArchive, runner_id: str) -> bool:
        return self._replace(after.version_id, runner_id, columns(after))

    def remove(self, digest: str) -> None:
        self._db.execute(delete(archives).where(_STORED, archives.c.digest == digest))

    def _replace(self, version_id: str, runner_id: str, values: dict[str, object]) -> bool:
        own = archives.c.version_id == version_id, archives.c.runner_id == runner_id
        query = update(archives).where(*own, _WANTED).values(**values)
        return was_applied(self._db.execute(query))

    def remove_of_worker(self, worker_id: str) -> None:
        of_worker = select(versions.c.id).where(versions.c.worker_id == worker_id)
        self._db.execute(delete(archives).where(archives.c.version_id.in_(of_worker)))
