from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.schedules.rules import (
    OWN_NAMES,
    check_complete,
    check_members,
    first_time,
    without_unused_members,
)
from fyke.errors import InvalidRequest
from fyke.model.schedule import ScheduleKind, ScheduleSpec
from support.examples import examples

NOW = 1_767_225_600_000


def test_a_specification_keeps_only_the_members_of_its_kind() -> None:
    full = ScheduleSpec(
        ScheduleKind.WEEKLY, "09:00", 3, 31, "2030-01-01", "* * * * *", 60, "Europe/Berlin"
    )
    assert without_unused_members(full) == ScheduleSpec(
        ScheduleKind.WEEKLY, time="09:00", weekday=3, time_zone="Europe/Berlin"
    )


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        (ScheduleSpec(ScheduleKind.DAILY), "time"),
        (ScheduleSpec(ScheduleKind.WEEKLY, time="09:00", day=31), "weekday"),
        (ScheduleSpec(ScheduleKind.MONTHLY, time="09:00", weekday=1), "day"),
        (ScheduleSpec(ScheduleKind.ONCE, time="09:00"), "date"),
        (ScheduleSpec(ScheduleKind.CRON), "cron"),
        (ScheduleSpec(ScheduleKind.INTERVAL), "every"),
    ],
)
def test_missing_members_are_named(plan: ScheduleSpec, field: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{field} is required"):
        check_complete(plan, OWN_NAMES)


@pytest.mark.parametrize("every", [1, 59, 366 * 86_400 + 1, -60])
def test_an_interval_has_bounds(every: int) -> None:
    with pytest.raises(InvalidRequest, match=r"^every must be 60 to"):
        check_members(ScheduleSpec(ScheduleKind.INTERVAL, every_s=every), OWN_NAMES)


def test_a_rule_that_never_fires_is_refused() -> None:
    never = ScheduleSpec(ScheduleKind.CRON, cron="0 0 29 2 1#5,2#1")
    check_members(ScheduleSpec(ScheduleKind.CRON, cron="0 0 29 2 *"), OWN_NAMES)
    assert first_time(ScheduleSpec(ScheduleKind.CRON, cron="0 0 29 2 *"), "UTC", 0, NOW, OWN_NAMES)
    with pytest.raises(InvalidRequest, match="cron"):
        check_members(ScheduleSpec(ScheduleKind.CRON, cron="0 0 31 4,6 *"), OWN_NAMES)
    assert first_time(never, "UTC", 0, NOW, OWN_NAMES)  # either of the two fields may match


def check_cron(text: str) -> None:
    plan = ScheduleSpec(ScheduleKind.CRON, cron=text)
    try:
        check_members(plan, OWN_NAMES)
        first_time(plan, "UTC", 0, NOW, OWN_NAMES)
    except InvalidRequest as error:
        assert error.message.startswith("cron")


@examples(60)
@given(st.text(st.characters(codec="ascii"), min_size=1, max_size=30))
def test_any_text_is_accepted_or_refused_as_a_cron_rule(text: str) -> None:
    check_cron(text)


fields = st.text("0123456789*,-/LWF#MONUEJAB", min_size=1, max_size=7)


@examples(60)
@given(st.tuples(fields, fields, fields, fields, fields))
def test_any_five_fields_are_accepted_or_refused_as_a_cron_rule(five: tuple[str, ...]) -> None:
    check_cron(" ".join(five))


def plan(kind: ScheduleKind, **members: object) -> ScheduleSpec:
    return replace(ScheduleSpec(kind), **members)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (
            plan(ScheduleKind.DAILY, time="24:00"),
            'time: "24:00" is not a time; write HH:MM, for example 09:30',
        ),
        (
            plan(ScheduleKind.DAILY, time="9" * 30),
            f'time: "{"9" * 20}" is not a time; write HH:MM, for example 09:30',
        ),
        (
            plan(ScheduleKind.ONCE, date="2030-02-30"),
            'date: "2030-02-30" is not a date; write YYYY-MM-DD, for example 2030-01-31',
        ),
        (
            plan(ScheduleKind.ONCE, date="1" * 30),
            f'date: "{"1" * 20}" is not a date; write YYYY-MM-DD, for example 2030-01-31',
        ),
        (plan(ScheduleKind.WEEKLY, weekday=8), "weekday must be 1 (Monday) to 7 (Sunday)"),
        (plan(ScheduleKind.WEEKLY, weekday=-1), "weekday must be 1 (Monday) to 7 (Sunday)"),
        (
            plan(ScheduleKind.MONTHLY, day=32),
            "day must be 1 to 31; in a shorter month its last day is used",
        ),
        (
            plan(ScheduleKind.INTERVAL, every_s=59),
            "every must be 60 to 31622400 seconds (a minute to a year)",
        ),
        (
            plan(ScheduleKind.CRON, cron="0 0 0 0" + " " * 100),
            "cron must be plain text of at most 100 characters",
        ),
        (
            plan(ScheduleKind.CRON, cron="\u0660 0 * * *"),
            "cron must be plain text of at most 100 characters",
        ),
        (
            plan(ScheduleKind.CRON, cron="0 0 * *"),
            "cron must have five fields (minute, hour, day of month, month, day of week), "
            'for example "0 9 * * 1-5"',
        ),
        (
            plan(ScheduleKind.CRON, cron="0 24 * * *"),
            'cron: the hour must be 0 to 23, not as in "0 24 * * *"',
        ),
        (
            plan(ScheduleKind.DAILY, time_zone="Z" * 70),
            f'time_zone: "{"Z" * 60}" is not a time zone; use an IANA name, for example '
            "Europe/Berlin, America/New_York or UTC",
        ),
    ],
)
def test_each_rule_names_the_member_and_what_is_accepted(
    refused: ScheduleSpec, message: str
) -> None:
    with pytest.raises(InvalidRequest) as error:
        check_members(refused, OWN_NAMES)
    assert error.value.message == message


def test_all_invalid_members_are_named_at_once() -> None:
    wrong = plan(ScheduleKind.CRON, cron="61 * * * *", time_zone="Berlin")
    with pytest.raises(InvalidRequest) as error:
        check_members(wrong, OWN_NAMES)
    assert [problem.field for problem in error.value.problems] == ["time_zone", "cron"]


@pytest.mark.parametrize(
    "accepted",
    [
        plan(ScheduleKind.DAILY, time="00:00", time_zone="Europe/Berlin"),
        plan(ScheduleKind.DAILY, time="23:59", time_zone=""),
        plan(ScheduleKind.WEEKLY, weekday=1),
        plan(ScheduleKind.WEEKLY, weekday=7),
        plan(ScheduleKind.MONTHLY, day=1),
        plan(ScheduleKind.MONTHLY, day=31),
        plan(ScheduleKind.ONCE, date="2028-02-29"),
        plan(ScheduleKind.INTERVAL, every_s=60),
        plan(ScheduleKind.INTERVAL, every_s=366 * 86_400),
        plan(ScheduleKind.CRON, cron="0 0 * * *".ljust(100)),
    ],
)
def test_the_bounds_of_each_member_are_accepted(accepted: ScheduleSpec) -> None:
    check_members(accepted, OWN_NAMES)


def test_a_missing_member_is_named_with_all_members_of_the_kind() -> None:
    with pytest.raises(InvalidRequest) as error:
        check_complete(plan(ScheduleKind.WEEKLY, time="09:00"), OWN_NAMES)
    assert error.value.message == (
        "weekday is required: a schedule of the kind weekly needs weekday and time"
    )


def test_the_kind_stays_when_other_members_are_removed() -> None:
    assert (
        without_unused_members(plan(ScheduleKind.INTERVAL, every_s=60)).kind
        is ScheduleKind.INTERVAL
    )


def test_a_moment_in_the_past_is_refused_with_its_zone() -> None:
    over = plan(ScheduleKind.ONCE, date="2020-01-02", time="03:04")
    with pytest.raises(InvalidRequest) as error:
        first_time(over, "Europe/Berlin", 0, NOW, OWN_NAMES)
    assert error.value.message == (
        "date: 2020-01-02 03:04 (Europe/Berlin) is in the past; choose a later date or time"
    )


def test_a_cron_rule_that_never_fires_is_refused_with_its_text() -> None:
    # no time follows after the last year
    late = int(datetime(9998, 12, 31, 23, 59, tzinfo=UTC).timestamp() * 1000)
    with pytest.raises(InvalidRequest) as error:
        first_time(plan(ScheduleKind.CRON, cron="0 0 1 1 *"), "UTC", 0, late, OWN_NAMES)
    assert error.value.message == "cron: 0 0 1 1 * never fires; check its day and month"


def test_the_first_time_counts_in_the_zone_and_from_the_anchor() -> None:
    daily = plan(ScheduleKind.DAILY, time="09:00")
    tokyo = first_time(daily, "Asia/Tokyo", 0, NOW, OWN_NAMES)
    assert datetime.fromtimestamp(tokyo / 1000, UTC).hour == 0
    every = plan(ScheduleKind.INTERVAL, every_s=3600)
    assert first_time(every, "UTC", NOW - 1000, NOW, OWN_NAMES) == NOW - 1000 + 3_600_000
