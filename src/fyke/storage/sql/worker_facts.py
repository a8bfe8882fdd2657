"""Figures of workers and of their versions, and the favourites of users.

As with ``RunCounts`` the figures of a transaction are written at its very end and in one order,
because all runs of a worker share one row: it is held as briefly as can be, and nobody holds one
while waiting for something else.
"""

from __future__ import annotations

import json
from collections.abc import Collection

import msgspec
from sqlalchemy import Connection, delete, insert, select

from fyke.domain.workers.facts import BAD, RECENT
from fyke.model.worker import GOOD, Finding, VersionFacts, WorkerFacts
from fyke.storage.sql.catalog_tables import favourites, version_facts, worker_facts
from fyke.storage.sql.dialects import driver_sql, insert_new, last_characters, to_storable_text
from fyke.storage.sql.records import columns, many
from fyke.storage.sql.tables import versions

_ADD = (
    "INSERT INTO worker_facts (worker_id, runs, succeeded, failed, last_ok_at, recent)"
    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (worker_id) DO UPDATE SET"
    " runs = worker_facts.runs + excluded.runs,"
    " succeeded = worker_facts.succeeded + excluded.succeeded,"
    " failed = worker_facts.failed + excluded.failed,"
    " last_ok_at = CASE WHEN excluded.last_ok_at > worker_facts.last_ok_at"
    " THEN excluded.last_ok_at ELSE worker_facts.last_ok_at END,"
    " recent = {recent}"
)


class SqlWorkerFacts:
    """``contracts.WorkerFactStore`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self._ends: dict[str, list[tuple[str, int]]] = {}

    def note_end(self, worker_id: str, verdict: str, at: int) -> None:
        self._ends.setdefault(to_storable_text(worker_id), []).append((verdict, at))

    def flush(self) -> None:
        """Write what was noted; called once before the commit."""
        recent = last_characters(self._db, "worker_facts.recent || excluded.recent", RECENT)
        statement = driver_sql(self._db, _ADD.format(recent=recent))
        for worker_id, ends in sorted(self._ends.items()):
            signs = "".join(sign for sign, _ in ends)
            last_ok = max((at for sign, at in ends if sign == GOOD), default=0)
            self._db.exec_driver_sql(
                statement,
                (
                    worker_id,
                    len(ends),
                    signs.count(GOOD),
                    signs.count(BAD),
                    last_ok,
                    signs[-RECENT:],
                ),
            )
        self._ends.clear()

    def of_workers(self, worker_ids: Collection[str]) -> dict[str, WorkerFacts]:
        self.flush()
        query = select(worker_facts).where(worker_facts.c.worker_id.in_(sorted(worker_ids)))
        return {facts.worker_id: facts for facts in many(self._db.execute(query), WorkerFacts)}

    def add_version(self, version_id: str, facts: VersionFacts) -> None:
        found = json.dumps([columns(finding) for finding in facts.findings])
        values = {"version_id": version_id, "size": facts.size, "findings": found}
        self._db.execute(insert(version_facts), values)

    def of_versions(self, worker_id: str) -> dict[str, VersionFacts]:
        query = (
            select(versions.c.number, version_facts.c.size, version_facts.c.findings)
            .join(version_facts, version_facts.c.version_id == versions.c.id)
            .where(versions.c.worker_id == worker_id)
        )
        return {
            row.number: VersionFacts(
                row.size, tuple(msgspec.json.decode(row.findings, type=list[Finding]))
            )
            for row in self._db.execute(query)
        }


class SqlFavourites:
    """``contracts.FavouriteStore`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def add(self, user_id: str, worker_id: str, at: int) -> None:
        values = {"user_id": user_id, "worker_id": worker_id, "added_at": at}
        self._db.execute(insert_new(self._db, favourites), values)

    def remove(self, user_id: str, worker_id: str) -> None:
        mine = favourites.c.user_id == user_id, favourites.c.worker_id == worker_id
        self._db.execute(delete(favourites).where(*mine))

    def of_user(self, user_id: str) -> list[str]:
        query = select(favourites.c.worker_id).where(favourites.c.user_id == user_id)
        order = favourites.c.added_at.desc(), favourites.c.worker_id.desc()
        return list(self._db.execute(query.order_by(*order)).scalars())
