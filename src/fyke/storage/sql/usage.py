"""What was used on each day, added up when it happens.

The sums of a transaction are written at its very end and in one order, as ``RunCounts`` are and
after them: all runs of a worker that end at the same time share these rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from sqlalchemy import ColumnElement, Connection, func, select

from fyke.model.billing import UsageDimension, UsageKey, UsageSums
from fyke.storage.sql.dialects import driver_sql, to_storable_text
from fyke.storage.sql.usage_tables import usage_days

IN_ALL = ""  # the part of the rows that hold a whole day
_Row = tuple[str, str, int, str]  # account, part, day, ref

_KEY = ("account_id", "part", "day", "ref")
_SUMS = tuple(field.name for field in fields(UsageSums))
_ADD = f"INSERT INTO usage_days ({', '.join(_KEY + _SUMS)}) VALUES "  # noqa: S608 - our own names
_ROW = f"({', '.join('?' * len(_KEY + _SUMS))})"
_MERGE = f" ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET " + ", ".join(
    f"{name} = usage_days.{name} + excluded.{name}" for name in _SUMS
)
_AT_ONCE = 40  # rows of one statement
_TOTALS = [func.sum(usage_days.c[name]).label(name) for name in _SUMS]


class SqlUsage:
    """``contracts.UsageStore`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self._new: dict[_Row, UsageSums] = {}

    def add(self, key: UsageKey, sums: UsageSums) -> None:
        for row in _rows(key):
            self._new[row] = self._new.get(row, UsageSums()) + sums

    def flush(self) -> None:
        """Write what has been added; called once before the commit."""
        rows = sorted(self._new.items(), key=lambda one: one[0])
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            statement = driver_sql(self._db, _ADD + ", ".join([_ROW] * len(some)) + _MERGE)
            values = [
                value
                for row, sums in some
                for value in (*row, *(getattr(sums, name) for name in _SUMS))
            ]
            self._db.exec_driver_sql(statement, tuple(values))
        self._new.clear()

    def days(self, account_id: str, first: int, last: int) -> dict[int, UsageSums]:
        self.flush()
        columns = [usage_days.c[name] for name in _SUMS]
        query = select(usage_days.c.day, *columns).where(*_of(account_id, IN_ALL, first, last))
        return {int(day): UsageSums(*sums) for day, *sums in self._db.execute(query)}

    def parts(
        self, account_id: str, first: int, last: int, part: UsageDimension, limit: int
    ) -> list[tuple[str, UsageSums]]:
        self.flush()
        query = (
            select(usage_days.c.ref, *_TOTALS)
            .where(*_of(account_id, part.value, first, last))
            .group_by(usage_days.c.ref)
            .order_by(
                func.sum(usage_days.c.usage_micros).desc(),
                func.sum(usage_days.c.runs).desc(),
                usage_days.c.ref,
            )
        )
        found = self._db.execute(query.limit(limit))
        return [(str(ref), UsageSums(*map(int, sums))) for ref, *sums in found]


def _rows(key: UsageKey) -> Iterator[_Row]:
    account = to_storable_text(key.account_id)
    yield account, IN_ALL, key.day, ""
    yield account, UsageDimension.WORKER.value, key.day, to_storable_text(key.worker_id)
    yield account, UsageDimension.TASK.value, key.day, to_storable_text(key.task_id)
    yield account, UsageDimension.KEY.value, key.day, to_storable_text(key.key_id)


def _of(account_id: str, part: str, first: int, last: int) -> tuple[ColumnElement[bool], ...]:
    table = usage_days.c
    return table.account_id == account_id, table.part == part, table.day >= first, table.day <= last
