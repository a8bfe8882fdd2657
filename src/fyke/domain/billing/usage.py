"""The usage of an account, in sums that are updated with each run, and its ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from fyke.contracts.state import Storage, Transaction
from fyke.domain.billing.days import (
    checked_range,
    day_named,
    days_between,
    local_day,
    number_of,
    starts_at,
)
from fyke.errors import InvalidRequest, UserMissing
from fyke.kit.sheets import csv_lines, exact_usd, guarded, iso_time
from fyke.model.account import Account, Caller
from fyke.model.billing import EntryKind, LedgerEntry, LedgerFilter, UsageDimension, UsageSums

MAX_PARTS = 100  # workers, tasks or keys that are listed one by one
MAX_ENTRIES = 200  # of one page of the ledger
CHUNK = 1000  # entries at a time where all of them are wanted
LEDGER_COLUMNS = ("id", "at", "kind", "usd", "traffic_bytes", "run", "note")


class UsageStep(StrEnum):
    """The width of a bar."""

    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Period:
    """Days from ``first`` to ``last`` inclusive, in the zone of the account."""

    first: date
    last: date
    zone: str


@dataclass(frozen=True, slots=True)
class UsageView:
    """``bars``: every day, or the first day of every month, with its sums, in order."""

    account: Account
    period: Period
    step: UsageStep
    total: UsageSums
    bars: list[tuple[date, UsageSums]]


@dataclass(frozen=True, slots=True)
class DimensionSums:
    """The sums of one worker, task or key. ``name`` is empty when it was deleted or there is none
    (then ``ref`` is empty too).
    """

    ref: str
    name: str
    sums: UsageSums


@dataclass(frozen=True, slots=True)
class UsageSplit:
    """The parts, the most expensive first; ``rest`` is the sum of the others, ``others`` says
    whether there are any.
    """

    parts: list[DimensionSums]
    rest: UsageSums
    others: bool


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """Entries, newest first. ``next`` is the cursor of the next page, else empty."""

    entries: list[LedgerEntry]
    next: str


class UsageReports:
    """Reports of usage; each account sees only its own."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def period(self, caller: Caller, since: str = "", until: str = "") -> Period:
        """Parse the first and last day, such as ``2026-11-01`` and ``2026-11-24``; by default the
        first of the month and today. Raises ``InvalidRequest``, which for a range that is too long
        names the longest one.
        """
        account, now = await self._storage.read(lambda tx: (_account(tx, caller), tx.now))
        today = local_day(now, account.time_zone)
        last = day_named(until, "until") if until.strip() else today
        first = day_named(since, "from") if since.strip() else last.replace(day=1)
        checked_range(first, last)
        return Period(first, last, account.time_zone)

    async def view(self, caller: Caller, period: Period, step: UsageStep) -> UsageView:
        """Sums of the period, in total and by day or month."""
        first, last = number_of(period.first), number_of(period.last)

        def work(tx: Transaction) -> tuple[Account, dict[int, UsageSums]]:
            return _account(tx, caller), tx.usage.days(caller.account_id, first, last)

        account, days = await self._storage.read(work)
        total = UsageSums()
        for sums in days.values():
            total = total + sums
        return UsageView(account, period, step, total, _bars(period, step, days))

    async def split(
        self, caller: Caller, period: Period, part: UsageDimension, most: int = MAX_PARTS
    ) -> UsageSplit:
        """The same sums, by worker, task or key."""
        first, last = number_of(period.first), number_of(period.last)

        def work(tx: Transaction) -> UsageSplit:
            # one more than is shown, to know whether there are others
            found = tx.usage.parts(caller.account_id, first, last, part, most + 1)
            shown, rest = found[:most], UsageSums()
            if len(found) > most:
                for sums in tx.usage.days(caller.account_id, first, last).values():
                    rest = rest + sums
                for _, sums in shown:
                    rest = rest - sums
            names = _Names(tx, caller.account_id, part)
            parts = [DimensionSums(ref, names.of(ref), sums) for ref, sums in shown]
            return UsageSplit(parts, rest, len(found) > most)

        return await self._storage.read(work)

    def ledger_filter(self, period: Period | None, *, holds: bool) -> LedgerFilter:
        """Entries of the period (None: of all time), with money set aside or without."""
        kinds = () if holds else (EntryKind.CREDIT, EntryKind.USAGE)
        if period is None:
            return LedgerFilter(kinds)
        since = starts_at(period.first, period.zone)
        return LedgerFilter(kinds, since, _behind(period))

    async def ledger(
        self, caller: Caller, filter: LedgerFilter, *, cursor: str = "", size: int = 50
    ) -> LedgerPage:
        """One page of the ledger. Raises ``InvalidRequest`` for an invalid cursor."""
        size = max(1, min(size, MAX_ENTRIES))
        found = await self._storage.read(
            lambda tx: tx.ledger.page(caller.account_id, filter, cursor.strip(), size + 1)
        )
        if found is None:
            raise InvalidRequest("use next_cursor of an earlier answer", field="cursor")
        entries = found[:size]
        return LedgerPage(entries, entries[-1].id if len(found) > size else "")

    async def ledger_csv(self, caller: Caller, filter: LedgerFilter) -> AsyncIterator[bytes]:
        """Stream all entries as CSV, newest first. Dollars have every digit."""
        yield csv_lines([list(LEDGER_COLUMNS)])
        after = ""
        while True:

            def work(tx: Transaction, place: str = after) -> list[LedgerEntry] | None:
                return tx.ledger.page(caller.account_id, filter, place, CHUNK)

            found = await self._storage.read(work)
            if not found:
                return
            yield csv_lines([_cells(entry) for entry in found])
            after = found[-1].id


class _Names:
    """The names of workers, tasks and keys."""

    def __init__(self, tx: Transaction, account_id: str, part: UsageDimension) -> None:
        self._tx = tx
        self._part = part
        keys = tx.accounts.keys(account_id) if part is UsageDimension.KEY else []
        self._keys = {key.id: key.name for key in keys}

    def of(self, ref: str) -> str:
        if not ref:
            return ""
        match self._part:
            case UsageDimension.WORKER:
                worker = self._tx.workers.get(ref)
                return worker.path if worker else ""
            case UsageDimension.TASK:
                task = self._tx.tasks.get(ref)
                return task.title if task else ""
            case UsageDimension.KEY:
                return self._keys.get(ref, "")


def _account(tx: Transaction, caller: Caller) -> Account:
    account = tx.accounts.get(caller.account_id)
    if account is None:
        raise UserMissing
    return account


def _bars(
    period: Period, step: UsageStep, days: dict[int, UsageSums]
) -> list[tuple[date, UsageSums]]:
    bars: dict[date, UsageSums] = {}
    for day in days_between(period.first, period.last):
        start = day if step is UsageStep.DAY else day.replace(day=1)
        bars[start] = bars.get(start, UsageSums()) + days.get(number_of(day), UsageSums())
    return list(bars.items())


def _behind(period: Period) -> int:
    """The first moment after the period."""
    return starts_at(period.last + timedelta(days=1), period.zone)


def _cells(entry: LedgerEntry) -> list[str]:
    return [
        entry.id,
        iso_time(entry.at),
        entry.kind.value,
        exact_usd(entry.usd_micros),
        str(entry.traffic_bytes),
        entry.run_id,
        guarded(entry.note),
    ]
