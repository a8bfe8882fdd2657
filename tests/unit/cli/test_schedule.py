from __future__ import annotations

import pytest
import typer

from fyke.cli.schedule import _seconds, _timing, _weekday
from fyke.model.schedule import ScheduleKind as Kind
from fyke.wire.fyke.schedules import Timing

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
