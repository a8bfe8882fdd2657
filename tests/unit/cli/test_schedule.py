from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import typer

from fyke.cli.schedule import _seconds, _timing, _weekday, schedule
from fyke.model.schedule import LatePolicy, OverlapPolicy
from fyke.model.schedule import ScheduleKind as Kind
from fyke_client.types.fyke.schedules import TaskSchedule, Timing
from fyke_client.types.fyke.tasks import FieldProblem
from support.scripted import ScriptedServer

NOTHING = ("", "", 0, "", "", "", "", "")


def timing_of(**options: object) -> Timing | None:
    names = ("daily", "weekly", "monthly", "once", "at", "cron", "every", "zone")
    return _timing(*(options.get(n, empty) for n, empty in zip(names, NOTHING, strict=True)))  # type: ignore[arg-type]


def test_options_become_a_timing() -> None:
    assert timing_of() is None
    assert timing_of(daily="09:30", zone="UTC") == Timing(
        kind=Kind.DAILY, time="09:30", time_zone="UTC"
    )
    assert timing_of(weekly="fri", at="07:00") == Timing(kind=Kind.WEEKLY, time="07:00", weekday=5)
    assert timing_of(monthly=31, at="07:00") == Timing(kind=Kind.MONTHLY, time="07:00", day=31)
    assert timing_of(once="2030-01-31", at="07:00") == Timing(
        kind=Kind.ONCE, time="07:00", date="2030-01-31"
    )
    assert timing_of(cron="0 9 * * *") == Timing(kind=Kind.CRON, cron="0 9 * * *")
    assert timing_of(every="15m") == Timing(kind=Kind.INTERVAL, every=900)


@pytest.mark.parametrize("options", [{"daily": "09:00", "cron": "* * * * *"}, {"at": "09:00"}])
def test_exactly_one_kind_is_required(options: dict[str, object]) -> None:
    with pytest.raises(typer.BadParameter, match="--cron"):
        timing_of(**options)


@pytest.mark.parametrize(
    ("text", "number"), [("monday", 1), ("Su", 7), ("7", 7), (" wednesday ", 3)]
)
def test_a_weekday_is_a_name_or_a_number(text: str, number: int) -> None:
    assert _weekday(text) == number


@pytest.mark.parametrize("text", ["", "m", "8", "someday"])
def test_invalid_weekdays_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="monday to sunday"):
        _weekday(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("6H", 21_600), ("1d", 86_400)]
)
def test_an_interval_may_have_a_unit(text: str, seconds: int) -> None:
    assert _seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "1.5h", "-5m", "5 minutes"])
def test_invalid_intervals_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="15m"):
        _seconds(text)


DAILY = TaskSchedule(
    kind=Kind.DAILY,
    time="09:30",
    weekday=0,
    day=0,
    date="",
    cron="",
    every=0,
    time_zone="UTC",
    zone_of_account=True,
    overlap=OverlapPolicy.SKIP,
    late=LatePolicy.SKIP,
    enabled=True,
    failures=0,
    paused_at=0,
    revision=1,
    next_at=1_700_000_000,
    last_fired_at=0,
    last_error="",
    missed=0,
    created_at=0,
    updated_at=0,
)
RUNNABLE = SimpleNamespace(problems=[])
OFF = msgspec.structs.replace(DAILY, enabled=False, next_at=0)


def switched(found: TaskSchedule, checked: Any = None, **options: Any) -> ScriptedServer:
    answers = {"switch_schedule": found, "schedule": found, "checked_task": checked or RUNNABLE}
    server = ScriptedServer(**answers)
    schedule(server, "T1", **options)
    return server


def test_a_schedule_is_switched_without_other_changes() -> None:
    resumed = switched(DAILY, on=True)
    assert resumed.client.calls == [
        ("switch_schedule", "T1", {"on": True}),
        ("checked_task", "T1"),
    ]
    assert resumed.fields["schedule"] == "daily"
    paused = switched(OFF, off=True)
    assert paused.client.calls == [("switch_schedule", "T1", {"on": False})]
    assert paused.fields["schedule"] == "daily, off"


def test_a_schedule_of_a_task_that_cannot_run_is_set_with_a_warning() -> None:
    problems = [FieldProblem("n", 'field "n" must be a string')]
    server = switched(DAILY, SimpleNamespace(problems=problems), on=True)
    assert server.messages.endswith('cannot run as it is saved:\n  field "n" must be a string\n')
    assert "cannot run" not in switched(OFF, SimpleNamespace(problems=problems), off=True).messages


def test_a_schedule_that_failures_paused_says_how_to_resume_it() -> None:
    found = msgspec.structs.replace(OFF, paused_at=1_700_000_000, failures=10)
    assert switched(found).fields["schedule"] == (
        "daily, paused after 10 failures in a row; --on resumes it"
    )


@pytest.mark.parametrize("second", ["off", "remove"])
def test_a_schedule_is_switched_one_way_only(second: str) -> None:
    with pytest.raises(typer.BadParameter, match="one of --on, --off and --remove"):
        switched(DAILY, on=True, **{second: True})
