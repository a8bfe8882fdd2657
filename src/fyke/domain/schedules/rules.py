"""Validation of schedules. Each error names the field, the rule and the remedy."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime

from cronsim import CronSim, CronSimError

from fyke.domain.schedules.times import first_after, zone, zone_names
from fyke.errors import InvalidRequest, Problem
from fyke.model.schedule import ScheduleKind, ScheduleSpec

MIN_INTERVAL_S = 60
MAX_INTERVAL_S = 366 * 24 * 3600
MAX_CRON = 100

_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

# The members of each kind, in the usual order.
MEMBERS: dict[ScheduleKind, tuple[str, ...]] = {
    ScheduleKind.DAILY: ("time",),
    ScheduleKind.WEEKLY: ("weekday", "time"),
    ScheduleKind.MONTHLY: ("day", "time"),
    ScheduleKind.ONCE: ("date", "time"),
    ScheduleKind.CRON: ("cron",),
    ScheduleKind.INTERVAL: ("every_s",),
}
_ALL = sorted({name for names in MEMBERS.values() for name in names})

# The name of each member in error messages: its name in the domain, or on the wire.
Names = Mapping[str, str]
OWN_NAMES: Names = {name: name for name in ("kind", "enabled", "time_zone", *_ALL)} | {
    "every_s": "every"
}


def without_unused_members(spec: ScheduleSpec) -> ScheduleSpec:
    """The specification without the members that its kind does not use."""
    empty = ScheduleSpec(spec.kind)
    unused = {n: getattr(empty, n) for n in _ALL if n not in MEMBERS[spec.kind]}
    return replace(spec, **unused)


def check_complete(spec: ScheduleSpec, names: Names) -> None:
    """Raise ``InvalidRequest`` with the first required member that is missing."""
    for name in MEMBERS[spec.kind]:
        if not getattr(spec, name):
            required = " and ".join(names[n] for n in MEMBERS[spec.kind])
            raise InvalidRequest(
                f"is required: a schedule of the kind {spec.kind.value} needs {required}",
                field=names[name],
            )


def check_members(spec: ScheduleSpec, names: Names) -> None:
    """Raise ``InvalidRequest`` with all invalid members."""
    problems: list[Problem] = []
    for name in ("time_zone", *MEMBERS[spec.kind]):
        value = getattr(spec, name)
        if value:
            try:
                _CHECKS[name](value, names[name])
            except InvalidRequest as error:
                problems += error.problems
    if problems:
        raise InvalidRequest.of(problems)


def check_zone(name: str, field: str) -> None:
    """Raise ``InvalidRequest`` unless ``name`` is a time zone, or empty."""
    if name and name not in zone_names():
        raise InvalidRequest(
            f'"{name[:60]}" is not a time zone; use an IANA name, for example Europe/Berlin, '
            "America/New_York or UTC",
            field=field,
        )


def first_time(spec: ScheduleSpec, zone_name: str, anchor_at: int, now: int, names: Names) -> int:
    """The first planned time after ``now``; raise ``InvalidRequest`` when there is none."""
    moment = first_after(spec, zone(zone_name), anchor_at, now)
    if moment:
        return moment
    if spec.kind is ScheduleKind.ONCE:
        raise InvalidRequest(
            f"{spec.date} {spec.time} ({zone_name}) is in the past; choose a later date or time",
            field=names["date"],
        )
    raise InvalidRequest(f"{spec.cron} never fires; check its day and month", field=names["cron"])


def _check_time(value: str, field: str) -> None:
    if not _TIME.fullmatch(value):
        raise InvalidRequest(
            f'"{value[:20]}" is not a time; write HH:MM, for example 09:30', field=field
        )


def _check_date(value: str, field: str) -> None:
    try:
        if not _DATE.fullmatch(value):
            raise ValueError
        date.fromisoformat(value)
    except ValueError:
        raise InvalidRequest(
            f'"{value[:20]}" is not a date; write YYYY-MM-DD, for example 2030-01-31', field=field
        ) from None


def _check_weekday(value: int, field: str) -> None:
    if not 1 <= value <= 7:
        raise InvalidRequest("must be 1 (Monday) to 7 (Sunday)", field=field)


def _check_day(value: int, field: str) -> None:
    if not 1 <= value <= 31:
        raise InvalidRequest(
            "must be 1 to 31; in a shorter month its last day is used", field=field
        )


def _check_every(value: int, field: str) -> None:
    if not MIN_INTERVAL_S <= value <= MAX_INTERVAL_S:
        raise InvalidRequest(
            f"must be {MIN_INTERVAL_S} to {MAX_INTERVAL_S} seconds (a minute to a year)",
            field=field,
        )


_CRON_FIELDS = {  # by the name of CronSim
    "minute": "the minute must be 0 to 59",
    "hour": "the hour must be 0 to 23",
    "day-of-month": "the day of the month must be 1 to 31, and one that the month has",
    "month": "the month must be 1 to 12 or a name such as jan",
    "day-of-week": "the day of the week must be 0 (Sunday) to 7 (Sunday) or a name such as mon",
}


def _check_cron(value: str, field: str) -> None:
    if len(value) > MAX_CRON or not value.isascii():
        raise InvalidRequest(f"must be plain text of at most {MAX_CRON} characters", field=field)
    if len(value.split()) != 5:
        raise InvalidRequest(
            "must have five fields (minute, hour, day of month, month, day of week), "
            'for example "0 9 * * 1-5"',
            field=field,
        )
    try:
        CronSim(value, datetime(2000, 1, 1))
    except CronSimError as error:
        rule = _CRON_FIELDS.get(str(error).removeprefix("Bad "), "this is not a cron rule")
        raise InvalidRequest(f'{rule}, not as in "{value}"', field=field) from None


_CHECKS: dict[str, Callable[..., None]] = {
    "time_zone": check_zone,
    "time": _check_time,
    "date": _check_date,
    "weekday": _check_weekday,
    "day": _check_day,
    "every_s": _check_every,
    "cron": _check_cron,
}
