"""Thirty days of a schedule of every minute, with a restarted server, against a
reference implementation that lists all times.
"""

from __future__ import annotations

import random
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.schedules.due import LATE_MS, MAX_COUNTED, DueDecision, due_fires
from fyke.domain.schedules.times import first_after, zone
from fyke.model.schedule import ScheduleKind, ScheduleSpec

MINUTE, DAY = 60_000, 86_400_000
EVERY_MINUTE = ScheduleSpec(ScheduleKind.CRON, cron="* * * * *")

# thirty days with a change of clocks, in zones of both hemispheres
MONTHS = [
    ("Europe/Berlin", "2026-03-10"),
    ("Europe/Berlin", "2026-10-10"),
    ("Australia/Lord_Howe", "2026-03-20"),
    ("Australia/Lord_Howe", "2026-09-20"),
    ("America/Santiago", "2026-03-20"),
    ("America/Santiago", "2026-08-25"),
]
PLANS = [
    EVERY_MINUTE,
    ScheduleSpec(ScheduleKind.CRON, cron="*/7 0-3 * * *"),
    ScheduleSpec(ScheduleKind.CRON, cron="15,45 2 * * *"),
    ScheduleSpec(ScheduleKind.DAILY, time="02:30"),
    ScheduleSpec(ScheduleKind.INTERVAL, every_s=90),
]


def check_times(rng: random.Random, start: int, end: int) -> list[int]:
    """The times at which a server checks: mostly on time, sometimes minutes or days late."""
    moments, now = [], start
    while now < end:
        away = rng.random()
        now += rng.randrange(1, MINUTE)
        if away < 0.002:
            now += rng.randrange(2 * DAY)
        elif away < 0.01:
            now += rng.randrange(2 * LATE_MS)
        moments.append(now)
    return moments


def all_times(plan: ScheduleSpec, name: str, anchor: int, end: int) -> list[int]:
    """All times: minute by minute by the local clock, for intervals by counting."""
    from unit.domain.schedules.test_times import reference_times

    if plan.kind is ScheduleKind.INTERVAL:
        return list(range(anchor + plan.every_s * 1000, end, plan.every_s * 1000))
    tz = zone(name)
    shown = [
        (t, datetime.fromtimestamp(t / 1000, tz).replace(tzinfo=None, fold=0))
        for t in range(anchor + MINUTE, end, MINUTE)
    ]
    if plan.cron == "* * * * *":
        return [t for t, _ in shown]
    if plan.cron.startswith("*/7"):
        return [t for t, shown_time in shown if shown_time.minute % 7 == 0 and shown_time.hour <= 3]
    minutes = (30,) if plan.kind is ScheduleKind.DAILY else (15, 45)
    local_times = {
        shown_time.replace(hour=2, minute=minute) for _, shown_time in shown for minute in minutes
    }
    return reference_times(name, anchor, end, local_times)


def thirty_days(plan: ScheduleSpec, name: str, begin: str, seed: int) -> None:
    tz = zone(name)
    start = int(datetime.fromisoformat(begin).replace(tzinfo=tz).timestamp()) * 1000
    end = start + 30 * DAY
    moments = check_times(random.Random(seed), start, end)
    # the actual results
    fired, missed, next_at = [], 0, first_after(plan, tz, start, start)
    for now in moments:
        if next_at <= now:
            due = due_fires(plan, tz, start, next_at, now)
            fired += [due.fire_at] if due.fire_at else []
            missed += due.missed
            assert due.next_at > now and (due.first_missed == next_at) == (due.missed > 0)
            next_at = due.next_at
    # the expected results
    times, at = all_times(plan, name, start, moments[-1] + 1), 0
    expected, passed = [], 0
    for now in moments:
        due_now = []
        while at < len(times) and times[at] <= now:
            due_now.append(times[at])
            at += 1
        if due_now and now - due_now[-1] <= LATE_MS:
            expected.append(due_now.pop())
        passed += len(due_now)
    assert (fired, missed) == (expected, passed)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "begin"), MONTHS[:2])
def test_thirty_days_with_a_server_that_is_restarted(name: str, begin: str) -> None:
    thirty_days(EVERY_MINUTE, name, begin, seed=7)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.cron or plan.kind.value)
@pytest.mark.parametrize(("name", "begin"), MONTHS)
def test_thirty_days_with_several_servers_that_are_restarted(
    plan: ScheduleSpec, name: str, begin: str
) -> None:
    for seed in range(5):
        thirty_days(plan, name, begin, seed)


@given(st.integers(0, 10 * DAY), st.integers(0, DAY), st.integers(60, 7200))
def test_intervals_are_counted_without_computing_each(away: int, first: int, every: int) -> None:
    plan, step = ScheduleSpec(ScheduleKind.INTERVAL, every_s=every), every * 1000
    next_at = first + step
    now = next_at + away
    due = due_fires(plan, zone("UTC"), first, next_at, now)
    times = list(range(next_at, now + 1, step))
    late = now - times[-1] > LATE_MS
    assert due.fire_at == (0 if late else times[-1])
    assert due.missed == len(times) - (not late)
    assert due.next_at == times[-1] + step


@pytest.mark.slow
def test_counting_ends_at_the_maximum() -> None:
    year = 365 * DAY
    due = due_fires(EVERY_MINUTE, zone("UTC"), 0, MINUTE, year + 1)
    assert (due.missed, due.fire_at, due.next_at) == (MAX_COUNTED, year, year + MINUTE)


NEVER_AGAIN = ScheduleSpec(ScheduleKind.ONCE, date="2026-03-10", time="09:00")
DAILY = ScheduleSpec(ScheduleKind.DAILY, time="02:30")


def at(text: str, name: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone(name)).timestamp()) * 1000


def test_a_time_of_an_hour_ago_starts_a_run_and_an_older_one_does_not() -> None:
    planned = at("2026-03-10T09:00")
    assert due_fires(NEVER_AGAIN, zone("UTC"), 0, planned, planned + LATE_MS) == DueDecision(
        planned, 0, 0, 0
    )
    assert due_fires(NEVER_AGAIN, zone("UTC"), 0, planned, planned + LATE_MS + 1) == DueDecision(
        0, 1, planned, 0
    )


def test_a_time_exactly_an_hour_ago_starts_a_run_after_missed_ones() -> None:
    first = at("2026-03-10T09:00")
    now = first + 5 * MINUTE
    for shift, fired in ((0, now), (-1, now - MINUTE), (1, now)):
        due = due_fires(EVERY_MINUTE, zone("UTC"), 0, first, now + shift, late_ms=2 * MINUTE)
        assert due.fire_at == fired
        assert due.missed == (fired - first) // MINUTE
        assert due.first_missed == first
        assert due.next_at == fired + MINUTE


def test_times_are_in_the_zone() -> None:
    planned = at("2026-07-01T02:30", "Asia/Tokyo")
    now = planned + 3 * DAY + MINUTE
    assert due_fires(DAILY, zone("Asia/Tokyo"), 0, planned, now) == DueDecision(
        planned + 3 * DAY, 3, planned, planned + 4 * DAY
    )


def test_missed_intervals_are_counted_in_whole_ones() -> None:
    every = ScheduleSpec(ScheduleKind.INTERVAL, every_s=90)
    due = due_fires(every, zone("UTC"), 0, 90_000, 90_000 * 1000 + 1, late_ms=MINUTE)
    assert due == DueDecision(90_000 * 1000, 999, 90_000, 90_000 * 1001)
    assert isinstance(due.missed, int)


def test_an_interval_of_hours_that_was_missed_once_counts_once() -> None:
    every = ScheduleSpec(ScheduleKind.INTERVAL, every_s=7200)
    step = 7_200_000
    assert due_fires(every, zone("UTC"), 0, step, step + LATE_MS + 1) == DueDecision(
        0, 1, step, 2 * step
    )


def test_a_daily_time_of_an_hour_ago_starts_a_run_after_days_of_downtime() -> None:
    planned = at("2026-03-10T02:30")
    today, tomorrow = planned + 3 * DAY, planned + 4 * DAY
    assert due_fires(DAILY, zone("UTC"), 0, planned, today + LATE_MS) == DueDecision(
        today, 3, planned, tomorrow
    )
    assert due_fires(DAILY, zone("UTC"), 0, planned, today + LATE_MS + 1) == DueDecision(
        0, 4, planned, tomorrow
    )
