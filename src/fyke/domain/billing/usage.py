"""The usage of an account, from sums that are updated with each run, and its ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from fyke.contracts.state import Storage, Transaction
from fyke.domain.billing.days import (
    check_range,
    day_number,
    day_start_ms,
    days_between,
    local_day,
    parse_day,
)
from fyke.errors import InvalidRequest, UserMissing
from fyke.kit.spreadsheets import csv_lines, escape_formula, exact_usd, iso_time
from fyke.model.account import Account, Caller
from fyke.model.billing import (
    EntryKind,
    LedgerEntry,
    LedgerFilter,
    UsageDimension,
    UsageOrder,
    UsageSums,
)

MAX_PARTS = 100  # workers, tasks or keys that are listed one by one
MAX_ENTRIES = 200  # of one page of the ledger
CHUNK = 1000  # entries that an export reads at a time
WEEK = timedelta(days=7)
MAX_COMPARED = 1000  # workers of the week before
LEDGER_COLUMNS = ("id", "at", "kind", "usd", "traffic_bytes", "run", "note")


class UsageStep(StrEnum):
    """The time span of a bar."""

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
    """The sums of one worker, task or key. ``name`` is empty when that was deleted; ``ref`` and
    ``name`` are empty for the runs without any.
    """

    ref: str
    name: str
    sums: UsageSums


@dataclass(frozen=True, slots=True)
class UsageSplit:
    """The parts in their order; ``rest`` is the sum of the others, and ``others`` is whether there
    are any.
    """

    parts: list[DimensionSums]
    rest: UsageSums
    others: bool


@dataclass(frozen=True, slots=True)
class WorkerPace:
    """How long the runs of a worker took on average in a week, and in the week before (None without
    runs). ``name`` is empty when it was deleted.
    """

    name: str
    runs: int
    average_ms: int
    before_ms: int | None


@dataclass(frozen=True, slots=True)
class WeekPaces:
    """The slowest workers of the last seven days, today included; the slowest first."""

    period: Period
    workers: list[WorkerPace]


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
        """Parse the first and last day, for example ``2026-11-01`` and ``2026-11-24``; by default
        the first of the month and today. Raises ``InvalidRequest``.
        """
        account, now = await self._storage.read(lambda tx: (_account(tx, caller), tx.now))
        today = local_day(now, account.time_zone)
        last = parse_day(until, "until") if until.strip() else today
        first = parse_day(since, "from") if since.strip() else last.replace(day=1)
        check_range(first, last)
        return Period(first, last, account.time_zone)

    async def view(self, caller: Caller, period: Period, step: UsageStep) -> UsageView:
        """Sums of the period, in total and by day or month."""
        first, last = day_number(period.first), day_number(period.last)

        def work(tx: Transaction) -> tuple[Account, dict[int, UsageSums]]:
            return _account(tx, caller), tx.usage.days(caller.account_id, first, last)

        account, days = await self._storage.read(work)
        total = UsageSums()
        for sums in days.values():
            total = total + sums
        return UsageView(account, period, step, total, _bars(period, step, days))

    async def split(
        self,
        caller: Caller,
        period: Period,
        part: UsageDimension,
        limit: int = MAX_PARTS,
        order: UsageOrder = UsageOrder.SPENT,
    ) -> UsageSplit:
        """The sums of the period by worker, task or key."""
        first, last = day_number(period.first), day_number(period.last)

        def work(tx: Transaction) -> UsageSplit:
            # one more than is listed, to know whether there are others
            sums_by_ref = tx.usage.parts(caller.account_id, first, last, part, limit + 1, order)
            listed, rest = sums_by_ref[:limit], UsageSums()
            others = len(sums_by_ref) > limit
            if others:
                for sums in tx.usage.days(caller.account_id, first, last).values():
                    rest = rest + sums
                for _, sums in listed:
                    rest = rest - sums
            names = _names(tx, caller.account_id, part, {ref for ref, _ in listed if ref})
            parts = [DimensionSums(ref, names.get(ref, ""), sums) for ref, sums in listed]
            return UsageSplit(parts, rest, others)

        return await self._storage.read(work)

    async def slowest(self, caller: Caller, limit: int) -> WeekPaces:
        """The workers whose runs took longest on average in the last seven days."""

        def work(tx: Transaction) -> WeekPaces:
            account = _account(tx, caller)
            last = local_day(tx.now, account.time_zone)
            period = Period(last - WEEK + timedelta(days=1), last, account.time_zone)

            def parts(first: date, last: date, limit: int) -> list[tuple[str, UsageSums]]:
                days = day_number(first), day_number(last)
                return tx.usage.parts(
                    account.id, *days, UsageDimension.WORKER, limit, UsageOrder.SLOWEST
                )

            slowest = parts(period.first, period.last, limit)
            before = dict(parts(period.first - WEEK, period.last - WEEK, MAX_COMPARED))
            refs = {ref for ref, _ in slowest if ref}
            names = _names(tx, account.id, UsageDimension.WORKER, refs)
            paces = []
            for ref, sums in slowest:
                earlier = before.get(ref, UsageSums()).average_ms
                name = names.get(ref, "")
                paces.append(WorkerPace(name, sums.runs, sums.average_ms or 0, earlier))
            return WeekPaces(period, paces)

        return await self._storage.read(work)

    def ledger_filter(self, period: Period | None, *, holds: bool) -> LedgerFilter:
        """The entries of the period (None = of all time). ``holds``: include reserved and released
        amounts.
        """
        kinds = () if holds else (EntryKind.CREDIT, EntryKind.USAGE)
        if period is None:
            return LedgerFilter(kinds)
        since = day_start_ms(period.first, period.zone)
        until = day_start_ms(period.last + timedelta(days=1), period.zone)
        return LedgerFilter(kinds, since, until)

    async def ledger(
        self, caller: Caller, filter: LedgerFilter, *, cursor: str = "", size: int = 50
    ) -> LedgerPage:
        """One page of the ledger. Raises ``InvalidRequest`` for an invalid cursor."""
        size = max(1, min(size, MAX_ENTRIES))
        page = await self._storage.read(
            lambda tx: tx.ledger.page(caller.account_id, filter, cursor.strip(), size + 1)
        )
        if page is None:
            raise InvalidRequest("use next_cursor of an earlier answer", field="cursor")
        entries = page[:size]
        return LedgerPage(entries, entries[-1].id if len(page) > size else "")

    async def ledger_csv(self, caller: Caller, filter: LedgerFilter) -> AsyncIterator[bytes]:
        """Stream all entries as CSV, newest first. Dollars are exact to the millionth."""
        yield csv_lines([list(LEDGER_COLUMNS)])
        after = ""
        while True:

            def work(tx: Transaction, cursor: str = after) -> list[LedgerEntry] | None:
                return tx.ledger.page(caller.account_id, filter, cursor, CHUNK)

            entries = await self._storage.read(work)
            if not entries:
                return
            yield csv_lines([_cells(entry) for entry in entries])
            after = entries[-1].id


def _names(
    tx: Transaction, account_id: str, part: UsageDimension, refs: Collection[str]
) -> dict[str, str]:
    """The names of workers, tasks or keys by id."""
    match part:
        case UsageDimension.WORKER:
            return {ref: worker.path for ref, worker in tx.workers.get_all(refs).items()}
        case UsageDimension.TASK:
            return {ref: task.title for ref, task in tx.tasks.get_all(refs).items()}
        case UsageDimension.KEY:
            return {key.id: key.name for key in tx.accounts.keys(account_id)}


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
        bars[start] = bars.get(start, UsageSums()) + days.get(day_number(day), UsageSums())
    return list(bars.items())


def _cells(entry: LedgerEntry) -> list[str]:
    return [
        entry.id,
        iso_time(entry.at),
        entry.kind.value,
        exact_usd(entry.usd_micros),
        str(entry.traffic_bytes),
        entry.run_id,
        escape_formula(entry.note),
    ]
