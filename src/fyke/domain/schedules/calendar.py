"""The schedules of an account as a list, and their planned times in one month."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from fyke.contracts.state import Storage, Transaction
from fyke.domain.schedules.editing import zone_of
from fyke.domain.schedules.rules import check_zone
from fyke.domain.schedules.times import times_after, zone
from fyke.errors import InvalidRequest, UserMissing
from fyke.model.account import Account, Caller
from fyke.model.schedule import Schedule, ScheduleKind
from fyke.model.task import Task
from fyke.model.worker import Worker

MAX_SHOWN = 30  # schedules in one month, those that fire next
MAX_TIMES_PER_DAY = 3  # times of one schedule that a day lists
FIRST_YEAR, LAST_YEAR = 2000, 9000


@dataclass(frozen=True, slots=True)
class ScheduleLine:
    """A schedule with its task and worker. ``time_zone`` is the zone of its times."""

    schedule: Schedule
    task: Task
    worker: Worker | None
    time_zone: str


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """The starts of one schedule on one day: the first times (ms), and whether more follow."""

    line: ScheduleLine
    times: tuple[int, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """One day of the month and the starts planned on it, by the first time."""

    date: date
    planned: tuple[PlannedRun, ...]


@dataclass(frozen=True, slots=True)
class CalendarMonth:
    """The days of one month in ``time_zone``. ``left_out`` is the number of schedules that are not
    shown.
    """

    year: int
    month: int
    time_zone: str
    days: tuple[CalendarDay, ...]
    left_out: int


class ScheduleCalendar:
    """The schedules of an account as a list and as a calendar."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def page(
        self, caller: Caller, *, offset: int, limit: int
    ) -> tuple[int, list[ScheduleLine]]:
        """Total count and one page, the next to fire first, disabled ones last."""
        return await self._storage.read(lambda tx: _page(tx, caller, offset=offset, limit=limit))

    async def month(
        self, caller: Caller, year: int, month: int, zone_name: str = ""
    ) -> CalendarMonth:
        """The planned starts from now on in a month, in the given zone or the account's. Raise
        ``InvalidRequest`` for an invalid month or zone.
        """
        if not 1 <= month <= 12 or not FIRST_YEAR <= year <= LAST_YEAR:
            raise InvalidRequest("must be written as YYYY-MM, for example 2030-01", field="month")
        check_zone(zone_name, "time_zone")

        def work(tx: Transaction) -> tuple[int, list[ScheduleLine], str, int]:
            count, lines = _page(tx, caller, offset=0, limit=MAX_SHOWN)
            return count, lines, zone_name or _account(tx, caller).time_zone, tx.now

        count, lines, name, now = await self._storage.read(work)
        enabled = [line for line in lines if line.schedule.enabled and line.schedule.next_at]
        days = await asyncio.to_thread(_days, enabled, year, month, name, now)
        # disabled schedules come last: with one of them on the page, no enabled one is left out
        left_out = count - len(lines) if len(enabled) == len(lines) else 0
        return CalendarMonth(year, month, name, days, left_out)


def _page(
    tx: Transaction, caller: Caller, *, offset: int, limit: int
) -> tuple[int, list[ScheduleLine]]:
    account = _account(tx, caller)
    count, schedules = tx.schedules.of_account(caller.account_id, offset=offset, limit=limit)
    tasks = tx.tasks.get_all([schedule.task_id for schedule in schedules])
    workers = tx.workers.get_all({task.worker_id for task in tasks.values()})
    return count, [
        ScheduleLine(schedule, task, workers.get(task.worker_id), zone_of(schedule, account))
        for schedule in schedules
        if (task := tasks.get(schedule.task_id)) is not None
    ]


def _account(tx: Transaction, caller: Caller) -> Account:
    account = tx.accounts.get(caller.account_id)
    if account is None:
        raise UserMissing
    return account


def _days(
    lines: list[ScheduleLine], year: int, month: int, name: str, now: int
) -> tuple[CalendarDay, ...]:
    tz = zone(name)
    day = date(year, month, 1)
    dates = []
    while day.month == month:
        dates.append(day)
        day += timedelta(days=1)
    edges = [
        round(datetime(d.year, d.month, d.day, tzinfo=tz).timestamp() * 1000) for d in [*dates, day]
    ]
    planned: list[list[PlannedRun]] = [[] for _ in dates]
    for line in lines:
        for index, runs in _planned_runs(line, edges, now):
            planned[index].append(runs)
    for runs_of_day in planned:
        runs_of_day.sort(key=lambda runs: runs.times[0])
    return tuple(
        CalendarDay(day, tuple(runs_of_day))
        for day, runs_of_day in zip(dates, planned, strict=True)
    )


def _planned_runs(
    line: ScheduleLine, edges: list[int], now: int
) -> Iterator[tuple[int, PlannedRun]]:
    """The starts of the schedule on each day, by the index of the day. ``edges`` are the starts
    (ms) of the days, and the end of the last one.
    """
    schedule = line.schedule
    first, last = max(edges[0], now, schedule.next_at), edges[-1]
    following = _times_from(line, first)
    at, index = next(following, last), 0
    while at < last:
        while at >= edges[index + 1]:
            index += 1
        end = edges[index + 1]
        times: list[int] = []
        while at < end and len(times) < MAX_TIMES_PER_DAY:
            times.append(at)
            at = next(following, last)
        has_more = at < end
        yield index, PlannedRun(line, tuple(times), has_more)
        if has_more:  # skip the rest of the day without computing each of its times
            following = _times_from(line, end)
            at = next(following, last)


def _times_from(line: ScheduleLine, start: int) -> Iterator[int]:
    """The planned times from ``start`` on."""
    schedule = line.schedule
    if schedule.spec.kind is ScheduleKind.ONCE:
        return iter([schedule.next_at] if schedule.next_at >= start else [])
    return times_after(schedule.spec, zone(line.time_zone), schedule.anchor_at, start - 1)
