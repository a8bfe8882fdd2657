"""Tasks."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Index, Table, delete, func, insert, select, update

from fyke.model.task import NamedTasks, Task
from fyke.storage.sql.dialects import contains
from fyke.storage.sql.state.columns import metadata, number_column, ref_column, text_column
from fyke.storage.sql.state.records import SqlStore, columns, many, one, was_applied

tasks = Table(
    "tasks",
    metadata,
    text_column("id", key=True),
    ref_column("account_id", "accounts.id"),
    ref_column("worker_id", "workers.id"),
    text_column("title"),
    text_column("version"),
    text_column("input_json"),
    number_column("created_at"),
    number_column("updated_at"),
    text_column("description"),
    number_column("run_times"),
    text_column("last_run_id"),
    text_column("search_text"),  # case-folded
    number_column("revision"),
    Index(None, "account_id", "created_at", "id"),
)

_MUTABLE = (
    "title",
    "description",
    "version",
    "input_json",
    "updated_at",
    "search_text",
    "revision",
)
# Between the searchable texts, so that no match spans two of them.
_SEPARATOR = "\x1f"


def _values(task: Task) -> dict[str, Any]:
    """The columns, with the searchable text. It is case-folded here, because in SQL the databases
    fold only ASCII letters, or each in its own way.
    """
    text = _SEPARATOR.join((task.id, task.title)).casefold()
    return columns(task) | {"search_text": text}


class SqlTasks(SqlStore):
    """Implements ``TaskStore``."""

    def add(self, task: Task) -> None:
        self._db.execute(insert(tasks), _values(task))

    def get(self, task_id: str) -> Task | None:
        return one(self._db.execute(select(tasks).where(tasks.c.id == task_id)), Task)

    def get_all(self, task_ids: Collection[str]) -> dict[str, Task]:
        if not task_ids:
            return {}
        found = self._db.execute(select(tasks).where(tasks.c.id.in_(task_ids)))
        return {task.id: task for task in many(found, Task)}

    def lock(self, task_id: str) -> Task | None:
        # SQLAlchemy leaves the lock out for SQLite
        query = select(tasks).where(tasks.c.id == task_id).with_for_update(key_share=True)
        return one(self._db.execute(query), Task)

    def of_account(
        self,
        account_id: str,
        *,
        offset: int,
        limit: int,
        worker_id: str = "",
        keyword: str = "",
        versions: Collection[str] = (),
    ) -> tuple[int, list[Task]]:
        conditions: list[ColumnElement[bool]] = [tasks.c.account_id == account_id]
        if worker_id:
            conditions.append(tasks.c.worker_id == worker_id)
        if keyword:
            conditions.append(contains(self._db, tasks.c.search_text, keyword.casefold()))
        if versions:
            conditions.append(tasks.c.version.in_(versions))
        count = select(func.count()).select_from(tasks).where(*conditions)
        order = tasks.c.created_at.desc(), tasks.c.id.desc()
        page = select(tasks).where(*conditions).order_by(*order).offset(offset).limit(limit)
        return self._db.execute(count).scalar_one(), many(self._db.execute(page), Task)

    def by_version(
        self, account_id: str, worker_id: str, versions: Collection[str], limit: int
    ) -> dict[str, NamedTasks]:
        group = tasks.c.version
        order = tasks.c.created_at.desc(), tasks.c.id.desc()
        ranked = (
            select(
                group,
                tasks.c.id,
                tasks.c.title,
                func.count().over(partition_by=group).label("total"),
                func.row_number().over(partition_by=group, order_by=order).label("place"),
            )
            .where(
                tasks.c.account_id == account_id,
                tasks.c.worker_id == worker_id,
                group.in_(versions),
            )
            .subquery()
        )
        newest = select(ranked).where(ranked.c.place <= limit).order_by(ranked.c.place)
        found: dict[str, NamedTasks] = {}
        for row in self._db.execute(newest):
            found.setdefault(row.version, NamedTasks(row.total, {})).titles[row.id] = row.title
        return found

    def update(self, task: Task) -> bool:
        values = {name: value for name, value in _values(task).items() if name in _MUTABLE}
        change = update(tasks).where(tasks.c.id == task.id)
        return was_applied(self._db.execute(change.values(**values)))

    def note_run(self, task_id: str, run_id: str) -> bool:
        values = {"run_times": tasks.c.run_times + 1, "last_run_id": run_id}
        change = update(tasks).where(tasks.c.id == task_id)
        return was_applied(self._db.execute(change.values(**values)))

    def delete(self, task_id: str) -> None:
        self._db.execute(delete(tasks).where(tasks.c.id == task_id))
