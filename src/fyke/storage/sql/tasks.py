"""Saved inputs."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, insert, select

from fyke.domain.tasks.model import Task
from fyke.storage.sql.records import columns, many, one
from fyke.storage.sql.tables import tasks


class SqlTasks:
    """``contracts.TaskStore`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def add(self, task: Task) -> None:
        self._db.execute(insert(tasks), columns(task))

    def get(self, task_id: str) -> Task | None:
        return one(self._db.execute(select(tasks).where(tasks.c.id == task_id)), Task)

    def of_account(self, account_id: str, *, offset: int, limit: int) -> tuple[int, list[Task]]:
        mine = tasks.c.account_id == account_id
        total = self._db.execute(select(func.count()).select_from(tasks).where(mine)).scalar_one()
        order = tasks.c.created_at.desc(), tasks.c.id.desc()
        page = select(tasks).where(mine).order_by(*order).offset(offset).limit(limit)
        return total, many(self._db.execute(page), Task)

    def delete(self, task_id: str) -> None:
        self._db.execute(delete(tasks).where(tasks.c.id == task_id))
