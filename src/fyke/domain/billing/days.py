"""Days and months of usage, and the two moments at which something is added to them.

Usage belongs to the day that it was in the account's time zone when it was booked, as on a bill:
an account that moves to another zone later keeps the days that it had. A day is written as a
number, 20261124.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from fyke.contracts.state import Transaction
from fyke.errors import InvalidRequest
from fyke.model.billing import UsageKey, UsageSums
from fyke.model.run import Run, RunState

MAX_DAYS = 366  # of one question
_YEARS = 1990, 2200


def note_end(tx: Transaction, run: Run) -> None:
    """Add what ``run``, which has just ended, has used. In the transaction that ends it."""
    key = UsageKey(run.account_id, _today(tx, run.account_id), *_owners(run))
    began = run.started_at or run.finished_at
    sums = UsageSums(
        runs=1,
        failed=int(run.state is RunState.FAILED),
        aborted=int(run.state is RunState.ABORTED),
        results=run.results,
        usage_micros=run.usage_micros,
        traffic_bytes=run.traffic_bytes,
        run_ms=max(0, run.finished_at - began),
        cpu_ms=run.cpu_ms,
        memory_mb_ms=run.memory_mb_ms,
    )
    tx.usage.add(key, sums)


def note_credit(tx: Transaction, account_id: str, usd_micros: int) -> None:
    """Add what was credited. In the transaction that appends it to the ledger."""
    key = UsageKey(account_id, _today(tx, account_id))
    tx.usage.add(key, UsageSums(credited_micros=usd_micros))


def _owners(run: Run) -> tuple[str, str, str]:
    return run.worker_id, run.task_id, run.key_id


def _today(tx: Transaction, account_id: str) -> int:
    account = tx.accounts.get(account_id)
    return number_of(local_day(tx.now, account.time_zone if account else "UTC"))


def zone_of(name: str) -> tzinfo:
    """The zone of an account; UTC for a name that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return UTC


def local_day(ms: int, zone_name: str) -> date:
    """The day at this moment (ms) in the zone."""
    return datetime.fromtimestamp(ms / 1000, zone_of(zone_name)).date()


def starts_at(day: date, zone_name: str) -> int:
    """The first moment (ms) of the day in the zone."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone_of(zone_name))
    return round(midnight.timestamp() * 1000)


def number_of(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def day_of(number: int) -> date:
    return date(number // 10_000, number // 100 % 100, number % 100)


def day_named(text: str, field: str) -> date:
    """The day written as ``2026-11-24``. Raise ``InvalidRequest`` with the name of the field."""
    typed = text.strip()
    try:
        day = date.fromisoformat(typed)
    except ValueError:
        day = date.min
    if len(typed) != 10 or not _YEARS[0] <= day.year <= _YEARS[1]:
        raise InvalidRequest(f"{typed[:20]!r} is no day; write it as 2026-11-24", field=field)
    return day


def checked_range(first: date, last: date) -> None:
    """Raise ``InvalidRequest`` unless ``last`` comes at most ``MAX_DAYS`` days from ``first``;
    the message names the longest range from the same beginning.
    """
    if last < first:
        raise InvalidRequest(f"{last} lies before from, which is {first}", field="until")
    longest = longest_from(first)
    if last > longest:
        raise InvalidRequest(
            f"a range has at most {MAX_DAYS} days; from {first} it reaches to {longest}",
            field="until",
        )


def longest_from(first: date) -> date:
    """The last day of the longest range that begins on ``first``."""
    return first + timedelta(days=MAX_DAYS - 1)


def days_between(first: date, last: date) -> list[date]:
    """Every day from ``first`` to ``last``, both of them too."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
