"""The ledger: entries are only ever added, and the account's columns move with them."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, case, func, insert, select, tuple_, update

from fyke.model.billing import EntryKind, LedgerEntry, LedgerFilter
from fyke.storage.sql.records import columns, many
from fyke.storage.sql.tables import accounts, ledger

_ON_HOLD = (str(EntryKind.HOLD), str(EntryKind.RELEASE))
_NEWEST = (ledger.c.at.desc(), ledger.c.seq.desc())


class SqlLedger:
    """``contracts.LedgerStore`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def append(self, entry: LedgerEntry) -> None:
        """A hold has a negative ``usd_micros`` and a release a positive one: both move
        ``held_micros`` by its opposite, and leave balance and traffic alone.
        """
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
            named = ledger.c.id == after, ledger.c.account_id == account_id
            place = self._db.execute(select(ledger.c.at, ledger.c.seq).where(*named)).first()
            if place is None:
                return None
            query = query.where(tuple_(ledger.c.at, ledger.c.seq) < tuple_(*place))
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
