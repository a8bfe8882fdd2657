from __future__ import annotations

import pytest
import typer

from fyke.cli.schedule import _plan, _seconds, _weekday
from fyke.model.schedule import ScheduleKind as Kind
from fyke.wire.fyke.schedules import Timing

NOTHING = ("", "", 0, "", "", "", "", "")


def plan_of(**given: object) -> Timing | None:
    names = ("daily", "weekly", "monthly", "once", "at", "cron", "every", "zone")
    return _plan(*(given.get(n, empty) for n, empty in zip(names, NOTHING, strict=True)))  # type: ignore[arg-type]


def test_options_become_a_plan() -> None:
    assert plan_of() is None
    assert plan_of(daily="09:30", zone="UTC") == Timing(
        kind=Kind.DAILY, time="09:30", time_zone="UTC"
    )
    assert plan_of(weekly="fri", at="07:00") == Timing(kind=Kind.WEEKLY, time="07:00", weekday=5)
    assert plan_of(monthly=31, at="07:00") == Timing(kind=Kind.MONTHLY, time="07:00", day=31)
    assert plan_of(once="2030-01-31", at="07:00") == Timing(
        kind=Kind.ONCE, time="07:00", date="2030-01-31"
    )
    assert plan_of(cron="0 9 * * *") == Timing(kind=Kind.CRON, cron="0 9 * * *")
    assert plan_of(every="15m") == Timing(kind=Kind.INTERVAL, every=900)


@pytest.mark.parametrize("given", [{"daily": "09:00", "cron": "* * * * *"}, {"at": "09:00"}])
def test_one_kind_at_a_time_and_no_time_without_one(given: dict[str, object]) -> None:
    with pytest.raises(typer.BadParameter, match="--cron"):
        plan_of(**given)


@pytest.mark.parametrize(
    ("text", "number"), [("monday", 1), ("Su", 7), ("7", 7), (" wednesday ", 3)]
)
def test_days_by_name_or_number(text: str, number: int) -> None:
    assert _weekday(text) == number


@pytest.mark.parametrize("text", ["", "m", "8", "someday"])
def test_other_days_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="monday to sunday"):
        _weekday(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("6H", 21_600), ("1d", 86_400)]
)
def test_times_with_a_unit(text: str, seconds: int) -> None:
    assert _seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "1.5h", "-5m", "5 minutes"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="15m"):
        _seconds(text)
