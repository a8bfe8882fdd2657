"""What was used on each day, added up when it happens.

The sums of a transaction are written at its very end and in one order, as ``RunCounts`` are and
after them: all runs of a worker that end at the same time share these rows.
"""

from __future__ import annotations

from dataclasses import fields

from sqlalchemy import ColumnElement, Connection, func, select

from fyke.domain.billing.model import Part, UsageKey, UsageSums
from fyke.storage.sql.dialects import driver_sql, storable
from fyke.storage.sql.usage_tables import usage_days

_KEY = tuple(field.name for field in fields(UsageKey))
_SUMS = tuple(field.name for field in fields(UsageSums))
_ADD = (
    f"INSERT INTO usage_days ({', '.join(_KEY + _SUMS)})"  # noqa: S608 - our own names
    f" VALUES ({', '.join('?' * len(_KEY + _SUMS))})"
    f" ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET "
    + ", ".join(f"{name} = usage_days.{name} + excluded.{name}" for name in _SUMS)
)
_TOTALS = [func.sum(usage_days.c[name]).label(name) for name in _SUMS]


class SqlUsage:
    """``contracts.UsageStore`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self._new: dict[UsageKey, UsageSums] = {}

    def add(self, key: UsageKey, sums: UsageSums) -> None:
        self._new[key] = self._new.get(key, UsageSums()) + sums

    def flush(self) -> None:
        """Write what has been added; called once before the commit."""
        statement = driver_sql(self._db, _ADD)
        rows = (
            (*(_stored(getattr(key, name)) for name in _KEY), *(getattr(s, n) for n in _SUMS))
            for key, s in self._new.items()
        )
        for row in sorted(rows):
            self._db.exec_driver_sql(statement, row)
        self._new.clear()

    def days(self, account_id: str, first: int, last: int) -> dict[int, UsageSums]:
        self.flush()
        query = select(usage_days.c.day, *_TOTALS).where(*_between(account_id, first, last))
        found = self._db.execute(query.group_by(usage_days.c.day))
        return {int(day): UsageSums(*map(int, sums)) for day, *sums in found}

    def parts(
        self, account_id: str, first: int, last: int, part: Part, limit: int
    ) -> list[tuple[str, UsageSums]]:
        self.flush()
        name = usage_days.c[f"{part.value}_id"]
        query = (
            select(name, *_TOTALS)
            .where(*_between(account_id, first, last))
            .group_by(name)
            .order_by(
                func.sum(usage_days.c.usage_micros).desc(),
                func.sum(usage_days.c.runs).desc(),
                name,
            )
        )
        found = self._db.execute(query.limit(limit))
        return [(str(ref), UsageSums(*map(int, sums))) for ref, *sums in found]


def _between(account_id: str, first: int, last: int) -> tuple[ColumnElement[bool], ...]:
    mine = usage_days.c.account_id == account_id
    return mine, usage_days.c.day >= first, usage_days.c.day <= last


def _stored(value: str | int) -> str | int:
    return storable(value) if isinstance(value, str) else value
