"""Schedules as labels and as the fields of a form."""

from __future__ import annotations

import pytest

from fyke.console.forms import PostedForm
from fyke.console.pages.task_schedule import (
    TypedSchedule,
    change_of,
    fault_of,
    in_largest_unit,
    initial_schedule,
    schedule_label,
    schedule_spec_of,
    typed_schedule_of,
)
from fyke.errors import InvalidFields, InvalidRequest
from fyke.model.schedule import LatePolicy, OverlapPolicy, Schedule, ScheduleKind, ScheduleSpec

TYPED = {"kind": "daily", "time": "07:15", "overlap": "skip", "late": "start"}


def schedule(plan: ScheduleSpec) -> Schedule:
    return Schedule("task", "account", plan, OverlapPolicy.SKIP, False, 0, 0, 0, "", 0, 3, 0, 0)


@pytest.mark.parametrize(
    ("plan", "label"),
    [
        (ScheduleSpec(ScheduleKind.DAILY, time="09:00"), "every day at 09:00"),
        (ScheduleSpec(ScheduleKind.WEEKLY, time="09:00", weekday=1), "every Monday at 09:00"),
        (ScheduleSpec(ScheduleKind.WEEKLY, time="09:00", weekday=7), "every Sunday at 09:00"),
        (ScheduleSpec(ScheduleKind.WEEKLY, time="09:00"), "every ? at 09:00"),
        (
            ScheduleSpec(ScheduleKind.MONTHLY, time="09:00", day=31),
            "on day 31 of each month at 09:00",
        ),
        (
            ScheduleSpec(ScheduleKind.ONCE, time="09:00", date="2027-01-02"),
            "once, on 2027-01-02 at 09:00",
        ),
        (ScheduleSpec(ScheduleKind.CRON, cron="0 9 * * *"), "every day at 09:00"),
        (ScheduleSpec(ScheduleKind.CRON, cron="0 9 1 * 1"), "cron 0 9 1 * 1"),
        (ScheduleSpec(ScheduleKind.INTERVAL, every_s=7200), "every 2 hours"),
        (ScheduleSpec(ScheduleKind.INTERVAL, every_s=90), "every 90 seconds"),
    ],
)
def test_a_schedule_has_a_label(plan: ScheduleSpec, label: str) -> None:
    assert schedule_label(plan) == label


@pytest.mark.parametrize(
    ("seconds", "found"),
    [
        (86_400, (1, "days")), (90_000, (25, "hours")), (60, (1, "minutes")), (61, (61, "seconds")),
        (0, (0, "hours")),
    ],
)  # fmt: skip
def test_an_interval_is_shown_in_the_largest_unit_that_divides_it(
    seconds: int, found: tuple[int, str]
) -> None:
    assert in_largest_unit(seconds) == found


@pytest.mark.parametrize(
    "plan",
    [
        ScheduleSpec(ScheduleKind.WEEKLY, time="23:59", weekday=3, day=1, time_zone="Asia/Tokyo"),
        ScheduleSpec(ScheduleKind.MONTHLY, time="00:00", weekday=1, day=31),
        ScheduleSpec(ScheduleKind.ONCE, time="09:00", date="2027-01-02", weekday=1, day=1),
        ScheduleSpec(ScheduleKind.CRON, cron="0 9 * * 1", time="09:00", weekday=1, day=1),
        ScheduleSpec(ScheduleKind.INTERVAL, every_s=5400, time="09:00", weekday=1, day=1),
    ],
)
def test_a_schedule_survives_a_round_trip_through_its_form(plan: ScheduleSpec) -> None:
    typed = initial_schedule(schedule(plan))
    assert schedule_spec_of(typed) == plan
    assert typed.enabled is False
    assert change_of(typed).overlap is OverlapPolicy.SKIP


def test_the_form_of_a_new_schedule_is_valid() -> None:
    change = change_of(initial_schedule(None))
    assert (change.kind, change.time, change.enabled) == (ScheduleKind.DAILY, "09:00", True)
    assert (change.overlap, change.late) == (OverlapPolicy.SKIP, LatePolicy.START)


def test_typed_values_are_stripped() -> None:
    cron = {"kind": "cron", "cron": " 0  9 * *  * ", "time_zone": " Asia/Tokyo "}
    typed = TYPED | cron | {"enabled": "on"}
    change = change_of(typed_schedule_of(PostedForm(list(typed.items()))))
    assert (change.cron, change.time_zone, change.enabled) == ("0 9 * * *", "Asia/Tokyo", True)
    interval = {"kind": "interval", "every": " 5 ", "unit": "minutes"}
    assert schedule_spec_of(TypedSchedule({**TYPED, **interval})).every_s == 300
    assert typed_schedule_of(PostedForm(list(TYPED.items()))).enabled is False


def test_seconds_of_a_time_are_dropped() -> None:
    assert schedule_spec_of(TypedSchedule({**TYPED, "time": "07:15:00"})).time == "07:15"


@pytest.mark.parametrize(
    ("wrong", "field", "rule"),
    [
        ({"kind": "hourly"}, "kind", "Must be one of daily, weekly"),
        ({"kind": ""}, "kind", "Must be one of"),
        ({"overlap": "maybe"}, "overlap", "Must be one of skip"),
        ({"late": ""}, "late", "Must be one of"),
        ({"kind": "interval", "every": ""}, "every", "Fill in this field."),
        ({"kind": "interval", "every": "0"}, "every", "Enter a whole number; the interval"),
        ({"kind": "interval", "every": "-5"}, "every", "Enter a whole number; the interval"),
        ({"kind": "interval", "every": "1.5"}, "every", "Enter a whole number; the interval"),
        ({"kind": "interval", "every": "1000000000"}, "every", "Enter a whole number; the"),
        ({"kind": "daily", "time": ""}, "time", "Fill in this field."),
        ({"day": "-1"}, "day", "Must be a whole number"),
        ({"weekday": "1" * 10}, "weekday", "Must be a whole number"),
    ],
)
def test_an_error_is_assigned_to_its_field(wrong: dict[str, str], field: str, rule: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        change_of(TypedSchedule({**TYPED, **wrong}))
    [(place, sentence)] = fault_of(refused.value).items()
    assert place == field
    assert sentence.startswith(rule)


def test_an_error_without_a_field_is_assigned_to_the_first_field() -> None:
    error = InvalidRequest("a task has at most one schedule", field="task_id")
    assert list(fault_of(error)) == ["kind"]
