"""Computes the planned times of a schedule, in ms UTC. Pure.

When clocks change: a local time that does not exist, because the clock was put forward, becomes the
first moment after the gap; several times in one gap fire once. A time that exists twice fires the
first time. Only a cron rule whose minute or hour begins with ``*`` follows real time instead: it
skips times that do not exist and fires in both passes of an hour that exists twice. An interval
does not depend on the clock.
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
_BACK_MS = 3 * 3_600_000  # more than clocks are ever set back
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


def times_after(spec: ScheduleSpec, tz: ZoneInfo, anchor_at: int, after: int) -> Iterator[int]:
    """The planned times after ``after``, in order; endless, except for ``once``. ``anchor_at`` is
    the start of an interval.
    """
    if spec.kind is ScheduleKind.INTERVAL:
        yield from _intervals(spec.every_s * SECOND, anchor_at, after)
        return
    start = _local(after, tz)
    if _offset(after - _BACK_MS, tz) > _offset(after + _BACK_MS, tz):
        # after the clock is set back, it shows the same times again
        start -= timedelta(milliseconds=_BACK_MS)
    for moment in _in_order(_wall_times(spec, start), tz, real_time=_follows_real_time(spec)):
        if moment > after:
            yield moment


def first_after(spec: ScheduleSpec, tz: ZoneInfo, anchor_at: int, after: int) -> int:
    """The first planned time after ``after``, 0 when there is none."""
    return next(times_after(spec, tz, anchor_at, after), 0)


def _intervals(step: int, anchor_at: int, after: int) -> Iterator[int]:
    moment = anchor_at + step * max(1, (after - anchor_at) // step + 1)
    while True:
        yield moment
        moment += step


def _follows_real_time(spec: ScheduleSpec) -> bool:
    """Whether the rule follows real time when clocks change."""
    if spec.kind is not ScheduleKind.CRON:
        return False
    minute, hour = spec.cron.split()[:2]
    return minute.startswith("*") or hour.startswith("*")


# --- local times, as a wall clock shows them --------------------------------------------


def _wall_times(spec: ScheduleSpec, start: datetime) -> Iterator[datetime]:
    """Naive times of the rule, in order, from about ``start`` on."""
    if spec.kind is ScheduleKind.CRON:
        for moment in CronSim(spec.cron, start):
            if moment.year > _LAST_YEAR:
                return
            yield moment
        return
    hour, minute = map(int, spec.time.split(":"))
    for day in _days(spec, start.date()):
        yield datetime(day.year, day.month, day.day, hour, minute)


def _days(spec: ScheduleSpec, start: date) -> Iterator[date]:
    if spec.kind is ScheduleKind.ONCE:
        yield date.fromisoformat(spec.date)
    elif spec.kind is ScheduleKind.MONTHLY:
        yield from _month_days(spec.day, start)
    else:
        weekly = spec.kind is ScheduleKind.WEEKLY
        days_to_first = (spec.weekday - start.isoweekday()) % 7 if weekly else 0
        day = start + timedelta(days=days_to_first)
        while day.year <= _LAST_YEAR:
            yield day
            day += timedelta(days=7) if weekly else _DAY


def _month_days(month_day: int, start: date) -> Iterator[date]:
    year, month = start.year, start.month
    while year <= _LAST_YEAR:
        yield date(year, month, min(month_day, calendar.monthrange(year, month)[1]))
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)


# --- local times as moments in UTC --------------------------------------------------------


def _local(moment: int, tz: ZoneInfo) -> datetime:
    """The naive local time at ``moment``."""
    return datetime.fromtimestamp(moment / SECOND, tz).replace(tzinfo=None)


def _in_order(wall_times: Iterator[datetime], tz: ZoneInfo, *, real_time: bool) -> Iterator[int]:
    """The moments of wall times, each once, in order."""
    waiting: list[int] = []  # a second pass comes after the first passes of later wall times
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
    # the clock was put forward: with the later offset, the time is before the change
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
