"""The ledger, and daily usage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from sqlalchemy import (
    ColumnElement,
    Connection,
    Index,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    case,
    func,
    insert,
    select,
    tuple_,
    update,
)

from fyke.model.billing import (
    EntryKind,
    LedgerEntry,
    LedgerFilter,
    UsageDimension,
    UsageKey,
    UsageOrder,
    UsageSums,
)
from fyke.storage.sql.dialects import run_sql, to_storable_text
from fyke.storage.sql.state.accounts import accounts
from fyke.storage.sql.state.columns import (
    metadata,
    number_column,
    ref_column,
    serial_column,
    text_column,
)
from fyke.storage.sql.state.records import SqlStore, columns, many

ledger = Table(
    "ledger",
    metadata,
    serial_column("seq"),
    text_column("id"),
    ref_column("account_id", "accounts.id"),
    number_column("at"),
    text_column("kind"),
    number_column("usd_micros"),
    number_column("traffic_bytes"),
    text_column("run_id"),  # no reference: entries are kept when the run is deleted
    text_column("note"),
    UniqueConstraint("id"),
    Index(None, "account_id", "at", "seq"),
)

# No references: usage is kept when worker, task or key are deleted.
usage_days = Table(
    "usage_days",
    metadata,
    text_column("account_id"),
    text_column("part"),  # worker, task or key; "" for the total of the day
    number_column("day"),  # 20261124 in the account's time zone at that moment
    text_column("ref"),  # its id; "" = none
    number_column("runs"),
    number_column("failed"),
    number_column("aborted"),
    number_column("results"),
    number_column("usage_micros"),
    number_column("traffic_bytes"),
    number_column("run_ms"),
    number_column("credited_micros"),
    number_column("cpu_ms"),
    number_column("memory_mb_ms"),
    # one row per part, not per combination of parts: there are nearly as many combinations as runs
    PrimaryKeyConstraint("account_id", "part", "day", "ref"),
)

_ON_HOLD = (str(EntryKind.HOLD), str(EntryKind.RELEASE))
_NEWEST = (ledger.c.at.desc(), ledger.c.seq.desc())


class SqlLedger(SqlStore):
    """Implements ``LedgerStore``."""

    def append(self, entry: LedgerEntry) -> None:
        self._db.execute(insert(ledger), columns(entry))
        account = update(accounts).where(accounts.c.id == entry.account_id)
        if entry.kind in _ON_HOLD:
            account = account.values(held_micros=accounts.c.held_micros - entry.usd_micros)
        else:
            account = account.values(
                balance_micros=accounts.c.balance_micros + entry.usd_micros,
                traffic_bytes=accounts.c.traffic_bytes + entry.traffic_bytes,
            )
        self._db.execute(account)

    def entries(self, account_id: str, *, limit: int) -> list[LedgerEntry]:
        query = select(ledger).where(ledger.c.account_id == account_id)
        return many(self._db.execute(query.order_by(*_NEWEST).limit(limit)), LedgerEntry)

    def page(
        self, account_id: str, filter: LedgerFilter, after: str, limit: int
    ) -> list[LedgerEntry] | None:
        query = select(ledger).where(ledger.c.account_id == account_id)
        if after:
            entry = ledger.c.id == after, ledger.c.account_id == account_id
            cursor = self._db.execute(select(ledger.c.at, ledger.c.seq).where(*entry)).first()
            if cursor is None:
                return None
            query = query.where(tuple_(ledger.c.at, ledger.c.seq) < tuple_(*cursor))
        if filter.since:
            query = query.where(ledger.c.at >= filter.since)
        if filter.until:
            query = query.where(ledger.c.at < filter.until)
        if filter.kinds:
            query = query.where(ledger.c.kind.in_([kind.value for kind in filter.kinds]))
        return many(self._db.execute(query.order_by(*_NEWEST).limit(limit)), LedgerEntry)

    def sums(self, account_id: str) -> tuple[int, int, int]:
        on_hold = ledger.c.kind.in_(_ON_HOLD)

        def total(amount: ColumnElement[int]) -> ColumnElement[int]:
            return func.coalesce(func.sum(amount), 0)

        balance = total(case((on_hold, 0), else_=ledger.c.usd_micros))
        held = total(case((on_hold, -ledger.c.usd_micros), else_=0))
        traffic = total(case((on_hold, 0), else_=ledger.c.traffic_bytes))
        query = select(balance, held, traffic).where(ledger.c.account_id == account_id)
        row = self._db.execute(query).one()
        return int(row[0]), int(row[1]), int(row[2])


WHOLE_DAY = ""  # the part of rows with the total of a day
_Row = tuple[str, str, int, str]  # account, part, day, ref

_KEY = ("account_id", "part", "day", "ref")
_SUMS = tuple(field.name for field in fields(UsageSums))
_ADD = f"INSERT INTO usage_days ({', '.join(_KEY + _SUMS)}) VALUES "  # noqa: S608 - our own names
_ROW = f"({', '.join('?' * len(_KEY + _SUMS))})"
_MERGE = f" ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET " + ", ".join(
    f"{name} = usage_days.{name} + excluded.{name}" for name in _SUMS
)
_CHUNK = 40  # rows of one statement
_TOTALS = [func.sum(usage_days.c[name]).label(name) for name in _SUMS]


class SqlUsage(SqlStore):
    """Implements ``UsageStore``. As with ``RunCounts``, and after them, the additions of a
    transaction are written at its end and in a fixed order, because runs of a worker that end at
    the same time update the same rows.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._new: dict[_Row, UsageSums] = {}

    def add(self, key: UsageKey, sums: UsageSums) -> None:
        for row in _rows(key):
            self._new[row] = self._new.get(row, UsageSums()) + sums

    def flush(self) -> None:
        """Write the additions; called before the commit."""
        rows = sorted(self._new.items(), key=lambda item: item[0])
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            statement = _ADD + ", ".join([_ROW] * len(chunk)) + _MERGE
            values = [
                value
                for row, sums in chunk
                for value in (*row, *(getattr(sums, name) for name in _SUMS))
            ]
            run_sql(self._db, statement, tuple(values))
        self._new.clear()

    def days(self, account_id: str, first: int, last: int) -> dict[int, UsageSums]:
        self.flush()
        columns = [usage_days.c[name] for name in _SUMS]
        query = select(usage_days.c.day, *columns).where(*_of(account_id, WHOLE_DAY, first, last))
        return {int(day): UsageSums(*sums) for day, *sums in self._db.execute(query)}

    def parts(
        self,
        account_id: str,
        first: int,
        last: int,
        part: UsageDimension,
        limit: int,
        order: UsageOrder = UsageOrder.SPENT,
    ) -> list[tuple[str, UsageSums]]:
        self.flush()
        runs = func.sum(usage_days.c.runs)
        query = (
            select(usage_days.c.ref, *_TOTALS)
            .where(*_of(account_id, part.value, first, last))
            .group_by(usage_days.c.ref)
        )
        if order is UsageOrder.SLOWEST:
            average = func.sum(usage_days.c.run_ms) * 1.0 / func.nullif(runs, 0)
            query = query.having(runs > 0).order_by(average.desc(), usage_days.c.ref)
        else:
            spent = func.sum(usage_days.c.usage_micros)
            query = query.order_by(spent.desc(), runs.desc(), usage_days.c.ref)
        rows = self._db.execute(query.limit(limit))
        return [(str(ref), UsageSums(*map(int, sums))) for ref, *sums in rows]


def _rows(key: UsageKey) -> Iterator[_Row]:
    account = to_storable_text(key.account_id)
    yield account, WHOLE_DAY, key.day, ""
    yield account, UsageDimension.WORKER.value, key.day, to_storable_text(key.worker_id)
    yield account, UsageDimension.TASK.value, key.day, to_storable_text(key.task_id)
    yield account, UsageDimension.KEY.value, key.day, to_storable_text(key.key_id)


def _of(account_id: str, part: str, first: int, last: int) -> tuple[ColumnElement[bool], ...]:
    table = usage_days.c
    return table.account_id == account_id, table.part == part, table.day >= first, table.day <= last
