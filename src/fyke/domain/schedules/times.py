"""Computes the times of a rule. Pure: rule, time zone and a time in, times out; all in ms UTC.

Days on which clocks change have one rule. A time that does not exist, because the clock was put
forward, counts as the first moment after the gap; several times in one gap count once. A time that
exists twice counts the first time. Only a cron rule whose minute or hour begins with ``*`` follows
real time instead: it skips times that do not exist and fires in both passes of an hour that exists
twice. An interval does not depend on the clock.
"""

from __future__ import annotations

import calendar
import heapq
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim

from fyke.model.schedule import ScheduleKind, ScheduleSpec

SECOND = 1000
_BACK_MS = 3 * 3_600_000  # more than any clock is set back
_DAY = timedelta(days=1)
_LAST_YEAR = 9998  # one less than the maximum of a datetime, so that a zone's offset still fits


@cache
def zone_names() -> frozenset[str]:
    """All IANA names known on this machine."""
    return frozenset(available_timezones())


@cache
def zone(name: str) -> ZoneInfo:
    """The zone of a name in ``zone_names``."""
    return ZoneInfo(name)


def times_after(plan: ScheduleSpec, tz: ZoneInfo, anchor_at: int, after: int) -> Iterator[int]:
    """The planned times after ``after``, in order, endless unless the rule has an end.
    ``anchor_at`` is the start of an interval.
    """
    if plan.kind is ScheduleKind.INTERVAL:
        yield from _intervals(plan.every_s * SECOND, anchor_at, after)
        return
    start = _local(after, tz)
    if _offset(after - _BACK_MS, tz) > _offset(after + _BACK_MS, tz):
        # after the clock is set back, it shows the same times again
        start -= timedelta(milliseconds=_BACK_MS)
    for moment in _in_order(_wall_times(plan, start), tz, real_time=_real(plan)):
        if moment > after:
            yield moment


def first_after(plan: ScheduleSpec, tz: ZoneInfo, anchor_at: int, after: int) -> int:
    """The first planned time after ``after``, 0 when there is none."""
    return next(times_after(plan, tz, anchor_at, after), 0)


def _intervals(step: int, anchor_at: int, after: int) -> Iterator[int]:
    moment = anchor_at + step * max(1, (after - anchor_at) // step + 1)
    while True:
        yield moment
        moment += step


def _real(plan: ScheduleSpec) -> bool:
    """Whether the rule follows real time over a change of clocks."""
    if plan.kind is not ScheduleKind.CRON:
        return False
    minute, hour = plan.cron.split()[:2]
    return minute.startswith("*") or hour.startswith("*")


# --- what the clock on the wall_time shows -------------------------------------------------------


def _wall_times(plan: ScheduleSpec, start: datetime) -> Iterator[datetime]:
    """Naive times of the rule, in order, from about ``start`` on."""
    if plan.kind is ScheduleKind.CRON:
        for moment in CronSim(plan.cron, start):
            if moment.year > _LAST_YEAR:
                return
            yield moment
        return
    hour, minute = map(int, plan.time.split(":"))
    for day in _days(plan, start.date()):
        yield datetime(day.year, day.month, day.day, hour, minute)


def _days(plan: ScheduleSpec, start: date) -> Iterator[date]:
    if plan.kind is ScheduleKind.ONCE:
        yield date.fromisoformat(plan.date)
    elif plan.kind is ScheduleKind.MONTHLY:
        yield from _month_days(plan.day, start)
    else:
        weekly = plan.kind is ScheduleKind.WEEKLY
        ahead = (plan.weekday - start.isoweekday()) % 7 if weekly else 0
        day = start + timedelta(days=ahead)
        while day.year <= _LAST_YEAR:
            yield day
            day += timedelta(days=7) if weekly else _DAY


def _month_days(wanted: int, start: date) -> Iterator[date]:
    year, month = start.year, start.month
    while year <= _LAST_YEAR:
        yield date(year, month, min(wanted, calendar.monthrange(year, month)[1]))
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)


# --- when that is ---------------------------------------------------------------------------


def _local(moment: int, tz: ZoneInfo) -> datetime:
    """The naive local time at ``moment``."""
    return datetime.fromtimestamp(moment / SECOND, tz).replace(tzinfo=None)


def _in_order(wall_times: Iterator[datetime], tz: ZoneInfo, *, real_time: bool) -> Iterator[int]:
    """The moments of wall times, each once, in order."""
    waiting: list[int] = []  # second passes, which later wall times come before
    last = None
    for wall_time in wall_times:
        earliest, moments = _moments(wall_time, tz, real_time=real_time)
        for moment in moments:
            heapq.heappush(waiting, moment)
        # no later wall time can be earlier than this one's own first moment
        while waiting and waiting[0] <= earliest:
            moment = heapq.heappop(waiting)
            if moment != last:
                yield moment
                last = moment
    yield from sorted(waiting)


def _moments(wall_time: datetime, tz: ZoneInfo, *, real_time: bool) -> tuple[int, tuple[int, ...]]:
    """The earliest moment that ``wall_time`` may mean, and those that count."""
    first, second = _utc(wall_time, tz, 0), _utc(wall_time, tz, 1)
    if first == second:
        return first, (first,)
    if first < second:  # the clock was set back: it shows this time twice
        return first, (first, second) if real_time else (first,)
    # the clock was put forward: read with the offset of afterwards, it lies before the change
    change = _change_between(second, first, tz)
    return change, () if real_time else (change,)


def _utc(wall_time: datetime, tz: ZoneInfo, fold: int) -> int:
    return int(wall_time.replace(tzinfo=tz, fold=fold).timestamp()) * SECOND


def _change_between(before: int, after: int, tz: ZoneInfo) -> int:
    """The first moment in (before, after] at which the offset is no longer that of ``before``."""
    offset = _offset(before, tz)
    low, high = before // SECOND, after // SECOND
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(middle * SECOND, tz) == offset:
            low = middle
        else:
            high = middle
    return high * SECOND


def _offset(moment: int, tz: ZoneInfo) -> timedelta:
    return datetime.fromtimestamp(moment // SECOND, tz).utcoffset() or timedelta(0)
