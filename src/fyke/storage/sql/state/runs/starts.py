"""Start keys and the run queue."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Index,
    Table,
    UniqueConstraint,
    delete,
    func,
    insert,
    literal_column,
    select,
    tuple_,
    update,
)

from fyke.model.queue import QueuedStart
from fyke.model.run import StartRecord
from fyke.reasons import Reason, sentence
from fyke.storage.sql.dialects import insert_new
from fyke.storage.sql.state.columns import (
    flag_column,
    metadata,
    number_column,
    partial_index,
    reason_columns,
    ref_column,
    serial_column,
    text_column,
)
from fyke.storage.sql.state.records import SqlStore, columns, many, one, reason_values, was_applied

start_keys = Table(
    "start_keys",
    metadata,
    # no reference: its check would lock the account, which the start locks exclusively later
    text_column("account_id", key=True),
    text_column("key", key=True),
    text_column("digest"),
    text_column("made"),
    text_column("ref"),  # no reference: the key is kept when the run is deleted
    number_column("expires_at"),
    Index(None, "expires_at"),
)

queue_items = Table(
    "queue_items",
    metadata,
    serial_column("number"),
    text_column("id"),
    ref_column("account_id", "accounts.id"),
    ref_column("worker_id", "workers.id"),
    text_column("version"),
    text_column("input_json"),
    text_column("callback_url"),
    flag_column("waiting"),
    text_column("reason_text"),
    text_column("run_id"),  # no reference: the item is kept when the run is deleted
    number_column("created_at"),
    number_column("ended_at"),
    *reason_columns(),
    UniqueConstraint("id"),
    Index(None, "account_id", "waiting", "number"),
    sqlite_autoincrement=True,  # numbers of removed items are not reused
)
partial_index(
    "ix_queue_items_ended",
    queue_items.c.ended_at,
    queue_items.c.id,
    where="ended_at > 0",
)


class SqlStartKeys(SqlStore):
    """Implements ``StartKeyStore``."""

    def get(self, account_id: str, key: str) -> StartRecord | None:
        return one(
            self._db.execute(select(start_keys).where(*_by_key(account_id, key))), StartRecord
        )

    def claim(self, record: StartRecord, now: int) -> bool:
        # the insert waits for a concurrent one with the same key; the update then sees its commit
        if was_applied(self._db.execute(insert_new(self._db, start_keys), columns(record))):
            return True
        statement = (
            update(start_keys)
            .where(*_by_key(record.account_id, record.key), start_keys.c.expires_at <= now)
            .values(
                digest=record.digest,
                made=record.made,
                ref=record.ref,
                expires_at=record.expires_at,
            )
        )
        return was_applied(self._db.execute(statement))

    def remove_expired(self, now: int, limit: int) -> int:
        key = tuple_(start_keys.c.account_id, start_keys.c.key)
        old = (
            select(start_keys.c.account_id, start_keys.c.key)
            .where(start_keys.c.expires_at <= now)
            .order_by(start_keys.c.expires_at)
            .limit(limit)
        )
        still_old = start_keys.c.expires_at <= now  # it may have been claimed again
        return self._db.execute(delete(start_keys).where(key.in_(old), still_old)).rowcount


def _by_key(account_id: str, key: str) -> tuple[Any, Any]:
    return start_keys.c.account_id == account_id, start_keys.c.key == key


# a literal, because a partial index is used only if the statement has its condition verbatim
_ENDED = queue_items.c.ended_at > literal_column("0")


class SqlQueue(SqlStore):
    """Implements ``QueueStore``."""

    def add(self, item: QueuedStart) -> int:
        values = columns(item)
        del values["number"]  # the database assigns it
        statement = insert(queue_items).returning(queue_items.c.number)
        number: int = self._db.execute(statement, values).scalar_one()
        return number

    def get(self, item_id: str) -> QueuedStart | None:
        return self._one(queue_items.c.id == item_id)

    def by_number(self, number: int) -> QueuedStart | None:
        return self._one(queue_items.c.number == number)

    def _one(self, condition: ColumnElement[bool]) -> QueuedStart | None:
        return one(self._db.execute(select(queue_items).where(condition)), QueuedStart)

    def page(
        self,
        account_id: str,
        waiting: bool | None,
        *,
        offset: int,
        limit: int,
        oldest_first: bool = False,
    ) -> tuple[int, list[QueuedStart]]:
        conditions = [queue_items.c.account_id == account_id]
        if waiting is not None:
            conditions.append(queue_items.c.waiting == waiting)
        total = self._db.execute(
            select(func.count()).select_from(queue_items).where(*conditions)
        ).scalar_one()
        number = queue_items.c.number
        order = number if oldest_first else number.desc()
        query = select(queue_items).where(*conditions).order_by(order)
        return total, many(self._db.execute(query.limit(limit).offset(offset)), QueuedStart)

    def explain(self, item_id: str, reason: Reason | None) -> bool:
        return self._change(item_id, **_reason_columns(reason))

    def end(self, item_id: str, at: int, reason: Reason, run_id: str = "") -> bool:
        ended = {"waiting": False, "ended_at": at, "run_id": run_id}
        return self._change(item_id, **ended, **_reason_columns(reason))

    def _change(self, item_id: str, **values: object) -> bool:
        waiting = update(queue_items).where(queue_items.c.id == item_id, queue_items.c.waiting)
        return was_applied(self._db.execute(waiting.values(**values)))

    def remove_ended(self, before: int, limit: int) -> int:
        old = (
            select(queue_items.c.id)
            .where(_ENDED, queue_items.c.ended_at < before)
            .order_by(queue_items.c.ended_at, queue_items.c.id)
            .limit(limit)
        )
        return self._db.execute(delete(queue_items).where(queue_items.c.id.in_(old))).rowcount


def _reason_columns(reason: Reason | None) -> dict[str, str]:
    text = "" if reason is None else sentence(reason)
    return {"reason_text": text, **reason_values(reason)}
