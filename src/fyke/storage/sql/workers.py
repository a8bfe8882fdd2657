"""Workers and their versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select, update

from fyke.domain.workers.model import SystemDefaults, Version, VersionState, Worker
from fyke.errors import Conflict, WorkerNotFound
from fyke.storage.sql.dialects import (
    contains,
    driver_sql,
    fetch_one,
    insert_new,
    locking,
    storable,
)
from fyke.storage.sql.records import columns, many, one, record, took_place
from fyke.storage.sql.tables import versions, workers

_BY_ID = "SELECT * FROM workers WHERE id = ?"
_BY_NUMBER = "SELECT * FROM versions WHERE worker_id = ? AND number = ?"
# Between the searchable texts, so that nothing is found across two of them.
_SEPARATOR = "\x1f"


def search_text(worker_id: str, path: str, title: str, description: str) -> str:
    """Return what a search looks through. It is folded here, not in SQL, because the databases
    know upper and lower case of ASCII letters only, or each in its own way.
    """
    return _SEPARATOR.join((worker_id, path, title, description)).casefold()


def _version(row: Mapping[Any, Any]) -> Version:
    values: dict[str, Any] = dict(row)
    values["defaults"] = record(row, SystemDefaults)
    return record(values, Version)


class SqlWorkers:
    """``contracts.WorkerStore`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def add(self, worker: Worker) -> None:
        text = search_text(worker.id, worker.path, worker.title, worker.description)
        done = self._db.execute(
            insert_new(self._db, workers), columns(worker) | {"search_text": text}
        )
        if not took_place(done):
            raise Conflict(f"There is a worker {worker.path!r} already; choose another name")

    def get(self, worker_id: str) -> Worker | None:
        # asked with every look at a run, hence straight to the driver
        row = fetch_one(self._db, _BY_ID, (storable(worker_id),))
        return None if row is None else record(row, Worker)

    def by_path(self, owner: str, name: str) -> Worker | None:
        query = select(workers).where(workers.c.owner == owner, workers.c.name == name)
        return one(self._db.execute(query), Worker)

    def update(self, worker_id: str, *, title: str, description: str, public: bool) -> None:
        worker = self.get(worker_id)
        if worker is None:
            raise WorkerNotFound()
        text = search_text(worker.id, worker.path, title, description)
        self._db.execute(
            update(workers)
            .where(workers.c.id == worker_id)
            .values(title=title, description=description, public=public, search_text=text)
        )

    def of_account(self, account_id: str) -> list[Worker]:
        """By name."""
        query = select(workers).where(workers.c.account_id == account_id)
        return many(self._db.execute(query.order_by(workers.c.name)), Worker)

    def search(self, text: str, *, account_id: str | None, limit: int) -> list[Worker]:
        """Newest first."""
        visible: ColumnElement[bool] = workers.c.public
        if account_id is not None:
            visible = or_(visible, workers.c.account_id == account_id)
        query = select(workers).where(workers.c.latest != "", visible)
        if text:
            query = query.where(contains(self._db, workers.c.search_text, text.casefold()))
        order = workers.c.created_at.desc(), workers.c.id.desc()
        return many(self._db.execute(query.order_by(*order).limit(limit)), Worker)

    def add_version(self, version: Version) -> None:
        self._lock(version.worker_id)
        last = select(func.coalesce(func.max(versions.c.seq), 0))
        last = last.where(versions.c.worker_id == version.worker_id)
        values = columns(version)
        values |= values.pop("defaults")
        values["seq"] = self._db.execute(last).scalar_one() + 1
        if not took_place(self._db.execute(insert_new(self._db, versions), values)):
            raise Conflict(
                f"Version {version.number!r} exists already, and versions never change; "
                "raise the number"
            )
        self._set_latest(version.worker_id)

    def version(self, worker_id: str, number: str) -> Version | None:
        # asked with every page of rows and every start
        row = fetch_one(self._db, _BY_NUMBER, (storable(worker_id), storable(number)))
        return None if row is None else _version(row)

    def versions(self, worker_id: str) -> list[Version]:
        query = select(versions).where(versions.c.worker_id == worker_id)
        found = self._db.execute(query.order_by(versions.c.seq.desc()))
        return [_version(row) for row in found.mappings()]

    def set_version_state(self, worker_id: str, number: str, state: VersionState) -> None:
        self._lock(worker_id)
        self._db.execute(
            update(versions)
            .where(versions.c.worker_id == worker_id, versions.c.number == number)
            .values(state=str(state))
        )
        self._set_latest(worker_id)

    def _lock(self, worker_id: str) -> None:
        """One publication at a time per worker: the latest follows from all its versions."""
        statement = driver_sql(self._db, "SELECT id FROM workers WHERE id = ?")
        statement += locking(self._db, "FOR NO KEY UPDATE")
        if self._db.exec_driver_sql(statement, (storable(worker_id),)).first() is None:
            raise WorkerNotFound()

    def _set_latest(self, worker_id: str) -> None:
        published = (
            select(versions.c.number)
            .where(
                versions.c.worker_id == worker_id,
                versions.c.state == str(VersionState.PUBLISHED),
            )
            .order_by(versions.c.seq.desc())
            .limit(1)
        )
        latest = func.coalesce(published.scalar_subquery(), "")
        self._db.execute(update(workers).where(workers.c.id == worker_id).values(latest=latest))
