"""Items of the run queue."""

from __future__ import annotations

from sqlalchemy import (
    ColumnElement,
    Connection,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)

from fyke.model.queue import QueueItem
from fyke.storage.sql.queue_tables import queue_items
from fyke.storage.sql.records import columns, many, one, was_applied

# literal, because a partial index is used only where the database sees its condition
_ENDED = queue_items.c.ended_at > literal_column("0")


class SqlQueue:
    """``contracts.QueueStore`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def add(self, item: QueueItem) -> int:
        values = columns(item)
        del values["number"]  # the database gives it
        added = insert(queue_items).returning(queue_items.c.number)
        number: int = self._db.execute(added, values).scalar_one()
        return number

    def get(self, item_id: str) -> QueueItem | None:
        return self._one(queue_items.c.id == item_id)

    def numbered(self, number: int) -> QueueItem | None:
        return self._one(queue_items.c.number == number)

    def _one(self, condition: ColumnElement[bool]) -> QueueItem | None:
        return one(self._db.execute(select(queue_items).where(condition)), QueueItem)

    def page(
        self,
        account_id: str,
        waiting: bool | None,
        *,
        offset: int,
        limit: int,
        oldest_first: bool = False,
    ) -> tuple[int, list[QueueItem]]:
        mine = [queue_items.c.account_id == account_id]
        if waiting is not None:
            mine.append(queue_items.c.waiting == waiting)
        total = self._db.execute(
            select(func.count()).select_from(queue_items).where(*mine)
        ).scalar_one()
        number = queue_items.c.number
        order = number if oldest_first else number.desc()
        query = select(queue_items).where(*mine).order_by(order)
        return total, many(self._db.execute(query.limit(limit).offset(offset)), QueueItem)

    def explain(self, item_id: str, reason: str) -> bool:
        return self._change(item_id, reason=reason)

    def end(self, item_id: str, at: int, reason: str, run_id: str = "") -> bool:
        return self._change(item_id, waiting=False, ended_at=at, reason=reason, run_id=run_id)

    def _change(self, item_id: str, **values: object) -> bool:
        still = update(queue_items).where(queue_items.c.id == item_id, queue_items.c.waiting)
        return was_applied(self._db.execute(still.values(**values)))

    def forget(self, before: int, limit: int) -> int:
        old = (
            select(queue_items.c.id)
            .where(_ENDED, queue_items.c.ended_at < before)
            .order_by(queue_items.c.ended_at, queue_items.c.id)
            .limit(limit)
        )
        return self._db.execute(delete(queue_items).where(queue_items.c.id.in_(old))).rowcount
