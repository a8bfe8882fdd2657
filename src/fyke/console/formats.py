"""Numbers, times and amounts as text, in the visitor's language and time zone.

Arguments have the units of the domain: milliseconds since the epoch, bytes, millionths of a US
dollar.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from datetime import date as date_type
from datetime import time as time_type
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale
from babel.dates import (
    format_date,
    format_datetime,
    format_skeleton,
    format_time,
    format_timedelta,
)
from babel.numbers import format_currency, format_decimal

from fyke.console.texts import gettext as _
from fyke.console.texts import locale, ngettext
from fyke.kit.decimals import millionths
from fyke.reasons import machine_name as name_of_machine

_NUMBER_AND_CHINESE = re.compile(r"(?<=\d)(?=[一-鿿])")  # the catalogue has a space there
_UNITS = ("B", "kB", "MB", "GB", "TB")
_LARGEST_GROUPED = 10**15


def zone_named(name: str) -> tzinfo:
    """The time zone of this IANA name, UTC for an empty or unknown one."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def iso(ms: int) -> str:
    """``2026-11-24T22:25:00.123Z``."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def moment(ms: int, zone: tzinfo) -> str:
    """Date and time, to the second."""
    return _moment(ms // 1000, zone, locale())


def short_moment(ms: int, zone: tzinfo, now_ms: int) -> str:
    """The shortest unambiguous date and time, for tables."""
    at = datetime.fromtimestamp(ms / 1000, zone)
    today = datetime.fromtimestamp(now_ms / 1000, zone)
    if at.date() == today.date():
        return _second_of_day(at.hour, at.minute, at.second, locale())
    if abs(today - at) < timedelta(days=300):
        time = _time_of_day(at.hour, at.minute, locale())
        return f"{_month_day(at.date(), locale())} {time}"
    return _date(at.date(), locale())


def minute(ms: int, zone: tzinfo) -> str:
    """Month, day and minute, ``Nov 24, 10:25 PM``; cheap where many are shown."""
    at = datetime.fromtimestamp(ms / 1000, zone)
    language = locale()
    return f"{_month_day(at.date(), language)}, {_time_of_day(at.hour, at.minute, language)}"


def day(ms: int, zone: tzinfo) -> str:
    """The date without the time."""
    return _date(datetime.fromtimestamp(ms / 1000, zone).date(), locale())


def date_of(date: date_type) -> str:
    """The date, for example ``Nov 24, 2026``."""
    return _date(date, locale())


def month_of(date: date_type) -> str:
    """The month and year of a date."""
    return _month(date, locale())


def clock(ms: int, zone: tzinfo) -> str:
    """The time of day with milliseconds, for logs: the same in every language."""
    return datetime.fromtimestamp(ms / 1000, zone).strftime("%H:%M:%S.") + f"{ms % 1000:03d}"


def ago(ms: int, now_ms: int) -> str:
    """``3 minutes ago``, ``in 2 hours``."""
    span = timedelta(milliseconds=ms - now_ms)
    text = str(format_timedelta(span, add_direction=True, locale=locale()))
    return _NUMBER_AND_CHINESE.sub(" ", text)


def duration(ms: int) -> str:
    """``850 ms``, ``12.3 s``, ``4 min 5 s``, ``15 min``, ``2 h 3 min``, ``3 d 4 h``."""
    if ms < 1000:
        return _("%(n)s ms") % {"n": ms}
    if ms < 60_000:
        return _("%(n)s s") % {"n": f"{ms // 100 / 10:.1f}"}
    minutes, s = divmod(ms // 1000, 60)
    if minutes < 60:
        return _two(_("%(n)s min") % {"n": minutes}, s and _("%(n)s s") % {"n": s})
    hours, m = divmod(minutes, 60)
    if hours < 24:
        return _two(_("%(n)s h") % {"n": hours}, m and _("%(n)s min") % {"n": m})
    days, h = divmod(hours, 24)
    return _two(_("%(n)s d") % {"n": days}, h and _("%(n)s h") % {"n": h})


def _two(larger: str, smaller: str | int) -> str:
    """Both units of a duration; 0 of the smaller one is left out."""
    return f"{larger} {smaller}" if smaller else larger


def size(amount: int) -> str:
    """Bytes in powers of 1000, with three digits: ``1.25 MB``."""
    value, unit = float(amount), 0
    while abs(value) >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    digits = 0 if unit == 0 or value >= 100 else 1 if value >= 10 else 2
    return f"{_decimal(round(value, digits), locale())} {_UNITS[unit]}"


def memory(amount: int) -> str:
    """Bytes in MB of 1,048,576 bytes, as limits of memory are: ``1,024 MB``."""
    return f"{count(round(amount / 2**20))} MB"


def room(amount: int) -> str:
    """Bytes of a disk or of the memory of a machine, in powers of 1024: ``200 MiB``, ``51 GiB``."""
    gib = amount / 2**30
    if gib < 1:
        return f"{count(round(amount / 2**20))} MiB"
    return f"{_decimal(round(gib, 0 if gib >= 10 else 1), locale())} GiB"


def money(micros: int) -> str:
    """US dollars, with enough digits to distinguish a small amount from zero."""
    return _money(micros, locale())


def memory_time(mb_ms: int) -> str:
    """MiB times milliseconds: ``0.006 GB·s``, ``12.3 GB·s``, from an hour on ``1.25 GB·h``."""
    return _memory_time(mb_ms, locale())


def memory_exact(mb_ms: int) -> str:
    """The exact value, in the stored unit."""
    return f"{mb_ms} MiB·ms"


def plain_dollars(micros: int) -> str:
    """US dollars with all digits, for a form field; "" for 0."""
    return millionths(micros) if micros else ""


def quantity(amount: Decimal, unit: str) -> str:
    """An amount of a priced unit, as the same is written where it was not charged for."""
    match unit:
        case "core-hours":
            return duration(round(amount * 3_600_000))
        case "GB-hours":
            return memory_time(round(amount * 3_600_000 * 1024))
        case _:
            return size(round(amount * 10**9))


def quantity_exact(amount: Decimal, unit: str) -> str:
    """The amount in the unit of the price, with at most six decimals; more for a small amount, to
    have three digits that count.
    """
    decimals = max(6, 2 - amount.adjusted()) if amount else 0
    return f"{format_decimal(amount, format='#,##0.' + '#' * decimals, locale=locale())} {unit}"


def machine_name(name: str) -> str:
    """The name of a machine that runs Workers. Those of the installation itself have only ids."""
    return name_of_machine(name, _)


def count(number: int) -> str:
    """A number with the language's thousands separators."""
    return _decimal(number, locale())


def number(value: float) -> str:
    """A number with all its decimals, and the language's separators unless it is very large."""
    if abs(value) >= _LARGEST_GROUPED:
        return str(value)
    return str(format_decimal(value, locale=locale(), decimal_quantization=False))


# Lists repeat the same few numbers and dates, and formatting one takes 0.1 ms.


@lru_cache(maxsize=4096)
def _decimal(number: float, language: Locale) -> str:
    return str(format_decimal(number, locale=language))


@lru_cache(maxsize=4096)
def _money(micros: int, language: Locale) -> str:
    digits = 2 if micros % 10_000 == 0 else 4 if micros % 100 == 0 else 6
    pattern = "¤#,##0." + "0" * digits + ";-¤#,##0." + "0" * digits
    dollars = micros / 1_000_000
    return str(format_currency(dollars, "USD", pattern, locale=language, currency_digits=False))


@lru_cache(maxsize=4096)
def _memory_time(mb_ms: int, language: Locale) -> str:
    seconds = mb_ms / 1024 / 1000
    if seconds < 3600:
        pattern = "#,##0.#" if seconds >= 1 else "0.###"
        return f"{format_decimal(seconds, format=pattern, locale=language)} GB·s"
    return f"{format_decimal(seconds / 3600, format='#,##0.##', locale=language)} GB·h"


@lru_cache(maxsize=4096)
def _moment(seconds: int, zone: tzinfo, language: Locale) -> str:
    return str(format_datetime(datetime.fromtimestamp(seconds, zone), "medium", locale=language))


@lru_cache(maxsize=4096)
def _date(date: date_type, language: Locale) -> str:
    return str(format_date(date, "medium", locale=language))


@lru_cache(maxsize=1024)
def _month(date: date_type, language: Locale) -> str:
    return str(format_skeleton("yMMMM", date, locale=language))


@lru_cache(maxsize=1024)
def _month_day(date: date_type, language: Locale) -> str:
    return str(format_skeleton("MMMd", date, locale=language))


@lru_cache(maxsize=4096)
def _second_of_day(hour: int, minute: int, second: int, language: Locale) -> str:
    return str(format_time(time_type(hour, minute, second), "medium", locale=language))


@lru_cache(maxsize=4096)
def _time_of_day(hour: int, minute: int, language: Locale) -> str:
    return str(format_time(time_type(hour, minute), "short", locale=language))


def percent(part: int, whole: int) -> str:
    """A share, rounded so that only the whole is 100% and only nothing is 0%; ``-`` when ``whole``
    is 0.
    """
    if not whole:
        return "-"
    if part in (0, whole):
        return f"{100 * part // whole}%"
    return f"{min(max((200 * part + whole) // (2 * whole), 1), 99)}%"


def rows(number: int) -> str:
    return ngettext("%(n)s row", "%(n)s rows", number) % {"n": count(number)}
