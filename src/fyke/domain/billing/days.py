"""Daily usage, which is added to at the end of each run and with each credit.

Usage belongs to the day in the account's time zone at which it was booked, as on a bill: when the
zone of the account changes later, booked days stay as they are. A day is stored as a number, for
example 20261124.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from fyke.contracts.state import Transaction
from fyke.errors import InvalidRequest
from fyke.model.billing import UsageKey, UsageSums
from fyke.model.run import Run, RunState

MAX_DAYS = 366  # of one report
_MIN_YEAR, _MAX_YEAR = 1990, 2200


def add_run_usage(tx: Transaction, run: Run) -> None:
    """Add the usage of ``run``, in the transaction that ends it."""
    today = _today(tx, run.account_id)
    key = UsageKey(run.account_id, today, run.worker_id, run.task_id, run.key_id)
    sums = UsageSums(
        runs=1,
        failed=int(run.state is RunState.FAILED),
        aborted=int(run.state is RunState.ABORTED),
        results=run.results,
        usage_micros=run.usage_micros,
        traffic_bytes=run.traffic_bytes,
        run_ms=run.duration_ms(),
        cpu_ms=run.cpu_ms,
        memory_mb_ms=run.memory_mb_ms,
    )
    tx.usage.add(key, sums)


def add_credit(tx: Transaction, account_id: str, usd_micros: int) -> None:
    """Add a credit, in the transaction that appends it to the ledger."""
    key = UsageKey(account_id, _today(tx, account_id))
    tx.usage.add(key, UsageSums(credited_micros=usd_micros))


def _today(tx: Transaction, account_id: str) -> int:
    account = tx.accounts.get(account_id)
    return day_number(local_day(tx.now, account.time_zone if account else "UTC"))


def zone_of(name: str) -> tzinfo:
    """The zone of an account; UTC for a name that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return UTC


def local_day(ms: int, zone_name: str) -> date:
    """The day at the time ``ms`` in the zone."""
    return datetime.fromtimestamp(ms / 1000, zone_of(zone_name)).date()


def day_start_ms(day: date, zone_name: str) -> int:
    """The start (ms) of the day in the zone."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone_of(zone_name))
    return round(midnight.timestamp() * 1000)


def day_number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def day_from_number(number: int) -> date:
    return date(number // 10_000, number // 100 % 100, number % 100)


def parse_day(text: str, field: str) -> date:
    """The day written as ``2026-11-24``. Raise ``InvalidRequest`` with the name of the field."""
    stripped = text.strip()
    try:
        day = date.fromisoformat(stripped)
    except ValueError:
        day = date.min
    if len(stripped) != 10 or not _MIN_YEAR <= day.year <= _MAX_YEAR:
        raise InvalidRequest(
            f"{stripped[:20]!r} is not a date; write it as 2026-11-24", field=field
        )
    return day


def check_range(first: date, last: date) -> None:
    """Raise ``InvalidRequest`` for a range that ends before it starts, or has more than
    ``MAX_DAYS`` days; then the message names the latest possible end.
    """
    if last < first:
        raise InvalidRequest(f"{last} is before from, which is {first}", field="until")
    latest = longest_range_end(first)
    if last > latest:
        raise InvalidRequest(
            f"a range has at most {MAX_DAYS} days; from {first} use {latest} or earlier",
            field="until",
        )


def longest_range_end(first: date) -> date:
    """The last day of the longest range that begins on ``first``."""
    return first + timedelta(days=MAX_DAYS - 1)


def days_between(first: date, last: date) -> list[date]:
    """Every day from ``first`` to ``last`` inclusive."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
