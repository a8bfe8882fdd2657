"""Common cron rules in words."""

from __future__ import annotations

import re
from itertools import product

from fyke.console.texts import gettext as _
from fyke.console.texts import ngettext

MAX_TIMES = 6  # of a day that are listed
_NUMBER = re.compile(r"\d{1,2}")
_STEP = re.compile(r"\*/(\d{1,2})")
_RANGE = re.compile(r"(\d{1,2})-(\d{1,2})")
_NAMES = {name: str(n) for n, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}


def cron_label(rule: str, weekdays: list[str]) -> str:
    """``0 9 * * 1-5`` as "Monday to Friday at 09:00"; "" for a rule that is less common.

    ``weekdays`` are the names of the days, Monday first.
    """
    fields = rule.lower().split()
    if len(fields) != 5:
        return ""
    minute, hour, day, month, weekday = fields
    if month != "*" or (day != "*" and weekday != "*"):
        return ""
    days = _weekdays(weekday, weekdays)
    if times := _times(minute, hour):
        return _at(times, day, days)
    period = _every(minute, hour)
    if not period or day != "*" or days is None:
        return ""
    return _("%(period)s, %(days)s") % {"period": period, "days": days} if days else period


def _times(minute: str, hour: str) -> str:
    """The times of a day, "" unless they are few numbers."""
    minutes, hours = _numbers(minute, 59), _numbers(hour, 23)
    if not 0 < len(minutes) * len(hours) <= MAX_TIMES:
        return ""
    return ", ".join(f"{h:02}:{m:02}" for h, m in product(sorted(hours), sorted(minutes)))


def _every(minute: str, hour: str) -> str:
    """A period of minutes or hours, at all hours or from one to another."""
    step, between = _step(minute, 60), _RANGE.fullmatch(hour)
    first, last = (int(between[1]), int(between[2])) if between else (0, 23)
    if not 0 <= first < last <= 23:
        return ""
    values = {"from": f"{first:02}:00", "to": f"{last:02}:59"}
    if hour == "*" and step:
        return ngettext("every minute", "every %(count)s minutes", step) % {"count": step}
    if between and step == 1:
        return _("every minute from %(from)s to %(to)s") % values
    if between and step:
        return _("every %(count)s minutes from %(from)s to %(to)s") % {**values, "count": step}
    if not _numbers(minute, 59) or not _NUMBER.fullmatch(minute):
        return ""
    values["minute"] = str(int(minute))
    if between:
        values |= {"from": f"{first:02}:{int(minute):02}", "to": f"{last:02}:{int(minute):02}"}
        return _("every hour from %(from)s to %(to)s") % values
    step = _step(hour, 24)
    if step > 1:
        return _("every %(count)s hours at minute %(minute)s") % {**values, "count": step}
    return _("every hour at minute %(minute)s") % values if step else ""


def _at(times: str, day: str, days: str | None) -> str:
    """A rule with these times of the day. ``days``: of the week, "" for all."""
    values = {"time": times, "days": days, "day": day}
    if day == "*":
        if days is None:
            return ""
        return (_("%(days)s at %(time)s") if days else _("every day at %(time)s")) % values
    numbers = _numbers(day, 31)
    if not numbers or 0 in numbers:
        return ""
    if len(numbers) == 1:
        return _("on day %(day)s of each month at %(time)s") % {**values, "day": numbers[0]}
    listed = ", ".join(map(str, sorted(numbers)))
    return _("on days %(days)s of each month at %(time)s") % {**values, "days": listed}


def _weekdays(field: str, weekdays: list[str]) -> str | None:
    """The days of the week, "" for all, None for a field that is less common."""
    if field == "*":
        return ""
    field = re.sub("[a-z]+", lambda name: _NAMES.get(name[0], name[0]), field)
    if between := re.fullmatch("([0-7])-([0-7])", field):
        first, last = (weekdays[(int(number) - 1) % 7] for number in between.groups())
        return _("%(first)s to %(last)s") % {"first": first, "last": last}
    numbers = _numbers(field, 7)
    if len(numbers) == 1:
        return _("every %(weekday)s") % {"weekday": weekdays[(numbers[0] - 1) % 7]}
    return ", ".join(weekdays[(number - 1) % 7] for number in numbers) or None


def _numbers(field: str, most: int) -> list[int]:
    """The different numbers of a list; none if anything else is in it."""
    parts = field.split(",")
    if not all(_NUMBER.fullmatch(part) and int(part) <= most for part in parts):
        return []
    return list(dict.fromkeys(map(int, parts)))


def _step(field: str, length: int) -> int:
    """The number of units after which the field matches again, 0 unless that is always the same:
    steps begin anew with each hour or day.
    """
    if field == "*":
        return 1
    step = _STEP.fullmatch(field)
    count = int(step[1]) if step else 0
    return count if count and length % count == 0 else 0
