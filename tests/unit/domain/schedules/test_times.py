from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fyke.domain.schedules.times import first_after, times_after, zone, zone_names
from fyke.model.schedule import ScheduleKind, ScheduleSpec
from support.examples import examples

MINUTE = 60_000
DAY = 86_400_000
DAYS = 5

# clocks change within a few days of these: at night, at midnight, by half an hour
PLACES = [
    ("Europe/Berlin", "2026-03-27", "2026-10-23"),
    ("America/New_York", "2026-03-06", "2026-10-30"),
    ("Australia/Lord_Howe", "2026-04-03", "2026-10-02"),
    ("Africa/Cairo", "2026-04-22", "2026-10-28"),
    ("America/Santiago", "2026-04-03", "2026-09-04"),
    ("Asia/Kolkata", "2026-04-28", "2026-09-28"),
]
places = st.sampled_from([(name, day) for name, *days in PLACES for day in days])


def local(text: str, name: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone(name)).timestamp()) * 1000


def _moment(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1000


def shown(plan: ScheduleSpec, name: str, after: str, count: int) -> list[str]:
    start = local(after, name) if "+" not in after else _moment(after)
    found = islice(times_after(plan, zone(name), start, start), count)
    return [datetime.fromtimestamp(t / 1000, zone(name)).strftime("%m-%d %H:%M%z") for t in found]


def between(plan: ScheduleSpec, name: str, start: int, end: int) -> list[int]:
    return list(takewhile(lambda t: t < end, times_after(plan, zone(name), start, start)))


# --- a slow reference: the local clock of every minute ----------------------------------------


def every_minute(name: str, start: int, end: int) -> list[tuple[int, datetime]]:
    """Every minute of real time, with the local time."""
    tz = zone(name)
    return [
        (t, datetime.fromtimestamp(t / 1000, tz).replace(tzinfo=None, fold=0))
        for t in range(start, end, MINUTE)
    ]


def reference_times(name: str, start: int, end: int, local_times: set[datetime]) -> list[int]:
    """For each of ``local_times`` the moment at which the clock first shows it or a later time."""
    fires = []
    reached = every_minute(name, start - 3 * 60 * MINUTE, start + MINUTE)
    high = max(shown_time for _, shown_time in reached)
    for t, shown_time in every_minute(name, start + MINUTE, end):
        if shown_time > high:
            minutes = int((shown_time - high).total_seconds()) // 60
            if any(high + timedelta(minutes=n) in local_times for n in range(1, minutes + 1)):
                fires.append(t)
            high = shown_time
    return fires


def days_around(start: int, days: int) -> list[datetime]:
    first = datetime.fromtimestamp(start / 1000, UTC).replace(tzinfo=None, hour=0, minute=0)
    return [first + timedelta(days=n) for n in range(-3, days + 3)]


@pytest.mark.slow
@examples(25)
@given(places, st.integers(0, 23), st.integers(0, 59), st.integers(0, 7), st.integers(0, 31))
@example(("Africa/Cairo", "2026-04-22"), 0, 30, 0, 0)
@example(("Australia/Lord_Howe", "2026-10-02"), 2, 15, 0, 0)
@example(("America/Santiago", "2026-09-04"), 0, 0, 7, 0)
def test_days_and_times_agree_with_the_local_clock(
    place: tuple[str, str], hour: int, minute: int, weekday: int, day: int
) -> None:
    name, begin = place
    time = f"{hour:02}:{minute:02}"
    start = local(f"{begin}T00:00", name)
    end = start + DAYS * DAY
    if weekday:
        plan = ScheduleSpec(ScheduleKind.WEEKLY, time=time, weekday=weekday)
    elif day:
        plan = ScheduleSpec(ScheduleKind.MONTHLY, time=time, day=day)
    else:
        plan = ScheduleSpec(ScheduleKind.DAILY, time=time)

    def fits(date: datetime) -> bool:
        last = (date + timedelta(days=1)).month != date.month
        monthly = date.day == day or (last and day > date.day)
        return date.isoweekday() == weekday if weekday else monthly if day else True

    local_times = {d.replace(hour=hour, minute=minute) for d in days_around(start, DAYS) if fits(d)}
    assert between(plan, name, start, end) == reference_times(name, start, end, local_times)


numbers = st.sets(st.integers(0, 23), min_size=1, max_size=3)


@examples(25)
@given(places, st.sets(st.integers(0, 59), min_size=1, max_size=4), numbers)
def test_a_cron_rule_with_fixed_times_agrees_with_the_local_clock(
    place: tuple[str, str], minutes: set[int], hours: set[int]
) -> None:
    name, begin = place
    plan = ScheduleSpec(ScheduleKind.CRON, cron=f"{_list(minutes)} {_list(hours)} * * *")
    start = local(f"{begin}T00:00", name)
    end = start + DAYS * DAY
    local_times = {
        d.replace(hour=hour, minute=minute)
        for d in days_around(start, DAYS)
        for hour in hours
        for minute in minutes
    }
    assert between(plan, name, start, end) == reference_times(name, start, end, local_times)


@pytest.mark.slow
@examples(25)
@given(places, st.integers(1, 59), st.one_of(st.none(), numbers), st.booleans())
def test_a_cron_rule_with_a_star_follows_real_time(
    place: tuple[str, str], step: int, hours: set[int] | None, week: bool
) -> None:
    name, begin = place
    plan = ScheduleSpec(
        ScheduleKind.CRON,
        cron=f"*/{step} {_list(hours) if hours else '*'} * * {'1-5' if week else '*'}",
    )
    start = local(f"{begin}T00:00", name)
    end = start + DAYS * DAY
    expected = [
        t
        for t, shown_time in every_minute(name, start + MINUTE, end)
        if shown_time.minute % step == 0
        and (hours is None or shown_time.hour in hours)
        and (not week or shown_time.isoweekday() <= 5)
    ]
    assert between(plan, name, start, end) == expected


def _list(numbers: set[int]) -> str:
    return ",".join(map(str, sorted(numbers)))


@given(st.integers(60, 10**6), st.integers(0, 10**10), st.integers(0, 10**10))
def test_an_interval_counts_from_its_anchor(every: int, anchor: int, after: int) -> None:
    plan = ScheduleSpec(ScheduleKind.INTERVAL, every_s=every)
    found = first_after(plan, zone("Europe/Berlin"), anchor, after)
    step = every * 1000
    assert found > after and found > anchor and (found - anchor) % step == 0
    assert found - step <= max(after, anchor)


# --- examples -------------------------------------------------------------------------------


def test_a_time_that_does_not_exist_is_the_first_moment_after_the_gap() -> None:
    plan = ScheduleSpec(ScheduleKind.DAILY, time="02:30")
    assert shown(plan, "Europe/Berlin", "2026-03-28T12:00", 2) == [
        "03-29 03:00+0200", "03-30 02:30+0200",
    ]  # fmt: skip


def test_a_time_that_exists_twice_counts_the_first_time() -> None:
    plan = ScheduleSpec(ScheduleKind.DAILY, time="02:30")
    assert shown(plan, "Europe/Berlin", "2026-10-24T12:00", 2) == [
        "10-25 02:30+0200", "10-26 02:30+0100",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fold", "expected"),
    [
        (0, ["10-25 02:00+0100", "10-25 02:30+0100", "10-25 03:00+0100"]),
        (1, ["10-25 03:00+0100", "10-25 03:30+0100", "10-25 04:00+0100"]),
    ],
)
def test_both_passes_of_an_hour_fire_when_started_between_them(
    fold: int, expected: list[str]
) -> None:
    within = datetime(2026, 10, 25, 2, 40, tzinfo=zone("Europe/Berlin"), fold=fold)
    plan = ScheduleSpec(ScheduleKind.CRON, cron="*/30 * * * *")
    assert shown(plan, "Europe/Berlin", within.isoformat(), 3) == expected


def test_two_times_in_one_gap_fire_once() -> None:
    plan = ScheduleSpec(ScheduleKind.CRON, cron="0,30 2 * * *")
    assert shown(plan, "Europe/Berlin", "2026-03-28T12:00", 2) == [
        "03-29 03:00+0200", "03-30 02:00+0200",
    ]  # fmt: skip


def test_a_day_after_the_end_of_a_month_is_its_last_day() -> None:
    plan = ScheduleSpec(ScheduleKind.MONTHLY, time="10:00", day=31)
    assert [t[:5] for t in shown(plan, "UTC", "2028-01-31T12:00", 4)] == [
        "02-29", "03-31", "04-30", "05-31",
    ]  # fmt: skip


def test_a_schedule_of_the_kind_once_has_one_time() -> None:
    plan = ScheduleSpec(ScheduleKind.ONCE, date="2026-05-01", time="08:00")
    assert shown(plan, "UTC", "2026-04-01T00:00", 5) == ["05-01 08:00+0000"]
    assert shown(plan, "UTC", "2026-05-01T08:00", 5) == []


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])
def test_zones_have_iana_names(name: str) -> None:
    assert name in zone_names() and zone(name).key == name


def test_rules_end_with_the_calendar() -> None:
    late = local("9998-12-31T23:00", "UTC")
    assert first_after(ScheduleSpec(ScheduleKind.DAILY, time="09:00"), zone("UTC"), 0, late) == 0


@pytest.mark.parametrize("weekday", range(1, 8))
def test_a_weekly_time_fires_every_seven_days(weekday: int) -> None:
    weekly = ScheduleSpec(ScheduleKind.WEEKLY, time="09:00", weekday=weekday)
    start = local("2026-01-01T00:00", "UTC")
    found = list(islice(times_after(weekly, zone("UTC"), 0, start), 3))
    days = [datetime.fromtimestamp(moment / 1000, UTC) for moment in found]
    assert {day.isoweekday() for day in days} == {weekday}
    assert days[0] - datetime(2026, 1, 1, tzinfo=UTC) < timedelta(days=8)
    assert days[1] - days[0] == days[2] - days[1] == timedelta(days=7)


def test_a_monthly_time_fires_once_a_month_across_years() -> None:
    monthly = ScheduleSpec(ScheduleKind.MONTHLY, time="09:00", day=31)
    assert shown(monthly, "UTC", "2026-10-31T10:00", 5) == [
        "11-30 09:00+0000",
        "12-31 09:00+0000",
        "01-31 09:00+0000",
        "02-28 09:00+0000",
        "03-31 09:00+0000",
    ]
    years = islice(times_after(monthly, zone("UTC"), 0, local("2026-12-01T00:00", "UTC")), 14)
    assert [datetime.fromtimestamp(t / 1000, UTC).year for t in years] == [2026, *[2027] * 12, 2028]


@pytest.mark.parametrize(
    "rule",
    [
        ScheduleSpec(ScheduleKind.DAILY, time="09:00"),
        ScheduleSpec(ScheduleKind.MONTHLY, time="09:00", day=31),
        ScheduleSpec(ScheduleKind.CRON, cron="0 9 31 12 *"),
    ],
)
def test_the_last_year_is_used_to_its_end(rule: ScheduleSpec) -> None:
    start = int(datetime(9998, 12, 30, 10, tzinfo=UTC).timestamp()) * 1000
    last = int(datetime(9998, 12, 31, 9, tzinfo=UTC).timestamp()) * 1000
    assert list(times_after(rule, zone("UTC"), 0, start)) == [last]
    assert first_after(rule, zone("UTC"), 0, last) == 0


@pytest.mark.parametrize(
    ("cron", "name", "after", "expected"),
    [
        ("*/30 2 * * *", "Europe/Berlin", "2026-10-25T00:00",
         ["10-25 02:00+0200", "10-25 02:30+0200", "10-25 02:00+0100", "10-25 02:30+0100"]),
        ("30 * * * *", "Europe/Berlin", "2026-10-25T02:00",
         ["10-25 02:30+0200", "10-25 02:30+0100", "10-25 03:30+0100"]),
        ("*/30 2 * * *", "Europe/Berlin", "2026-03-29T00:00",
         ["03-30 02:00+0200", "03-30 02:30+0200"]),
        ("*/30 * * * *", "Europe/London", "2026-10-25T01:40",
         ["10-25 01:00+0000", "10-25 01:30+0000", "10-25 02:00+0000"]),
        ("*/30 * * * *", "America/New_York", "2026-11-01T01:40",
         ["11-01 01:00-0500", "11-01 01:30-0500", "11-01 02:00-0500"]),
    ],
)  # fmt: skip
def test_a_star_in_minute_or_hour_follows_real_time(
    cron: str, name: str, after: str, expected: list[str]
) -> None:
    plan = ScheduleSpec(ScheduleKind.CRON, cron=cron)
    assert shown(plan, name, after, len(expected)) == expected


@pytest.mark.parametrize("minute", range(60))
def test_every_time_in_a_gap_fires_at_its_end(minute: int) -> None:
    plan = ScheduleSpec(ScheduleKind.DAILY, time=f"02:{minute:02}")
    found = first_after(plan, zone("Europe/Berlin"), 0, local("2026-03-29T00:00", "Europe/Berlin"))
    assert found == _moment("2026-03-29T03:00+02:00")
    assert isinstance(found, int)


def test_the_first_time_is_in_the_zone() -> None:
    plan = ScheduleSpec(ScheduleKind.DAILY, time="09:00")
    found = first_after(plan, zone("Asia/Tokyo"), 0, _moment("2026-01-01T00:30+00:00"))
    assert found == _moment("2026-01-02T00:00+00:00")


def test_an_interval_continues_in_equal_steps() -> None:
    plan = ScheduleSpec(ScheduleKind.INTERVAL, every_s=90)
    found = list(islice(times_after(plan, zone("UTC"), 1000, 1000), 3))
    assert found == [91_000, 181_000, 271_000]


def test_the_second_passes_of_the_last_year_are_not_lost() -> None:
    berlin = zone("Europe/Berlin")
    plan = ScheduleSpec(ScheduleKind.CRON, cron="*/30 2 25 10 *")
    start = local("9998-10-01T00:00", "Europe/Berlin")
    first = _moment("9998-10-25T02:00+02:00")
    half = 30 * MINUTE
    assert list(times_after(plan, berlin, 0, start)) == [first + n * half for n in range(4)]
