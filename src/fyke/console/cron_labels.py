"""Common cron rules in words."""

from __future__ import annotations

import re

from fyke.console.texts import gettext as _
from fyke.console.texts import ngettext

_NUMBER = re.compile(r"\d{1,2}")
_STEP = re.compile(r"\*/(\d{1,2})")


def cron_label(rule: str, weekdays: list[str]) -> str:
    """``0 9 * * 1-5`` as "Monday to Friday at 09:00"; "" for a rule that is less common.

    ``weekdays`` are the names of the days, Monday first.
    """
    fields = rule.split()
    if len(fields) != 5:
        return ""
    minute, hour, day, month, weekday = fields
    if month != "*":
        return ""
    if (hour, day, weekday) == ("*", "*", "*"):
        return _every(minute)
    if not (_NUMBER.fullmatch(minute) and _NUMBER.fullmatch(hour)):
        return ""
    return _at(f"{int(hour):02}:{int(minute):02}", day, weekday, weekdays)


def _every(minute: str) -> str:
    """A rule whose other fields are all ``*``."""
    if minute == "*":
        return _("every minute")
    if _NUMBER.fullmatch(minute):
        return _("every hour at minute %(minute)s") % {"minute": int(minute)}
    step = _STEP.fullmatch(minute)
    # steps begin anew with each hour, so others are not of equal length
    if step and int(step[1]) and 60 % int(step[1]) == 0:
        count = int(step[1])
        return ngettext("every minute", "every %(count)s minutes", count) % {"count": count}
    return ""


def _at(time: str, day: str, weekday: str, weekdays: list[str]) -> str:
    """A rule with this time of day."""
    if day == "*" and weekday == "*":
        return _("every day at %(time)s") % {"time": time}
    if day == "*" and weekday == "1-5":
        names = {"first": weekdays[0], "last": weekdays[4]}
        return _("%(first)s to %(last)s at %(time)s") % {**names, "time": time}
    if day == "*" and re.fullmatch("[0-7]", weekday):
        name = weekdays[(int(weekday) - 1) % 7]  # 0 and 7 are Sunday
        return _("every %(weekday)s at %(time)s") % {"weekday": name, "time": time}
    if weekday == "*" and _NUMBER.fullmatch(day):
        values = {"day": int(day), "time": time}
        return _("on day %(day)s of each month at %(time)s") % values
    return ""
