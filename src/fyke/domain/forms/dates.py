"""Dates as a schema wants them: formats such as ``DD/MM/YYYY``, and spans such as ``7 days``.

A format is made of YYYY, YY, MM, M, DD, D, HH, H, mm, m, ss, s, SSS and whatever stands between
them; text in square brackets stands for itself. Small ``yyyy`` and ``dd``, and the letters that
follow a percent sign elsewhere (``%Y-%m-%d``), mean the same. A format with anything else, or
without a year, is left to plain text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

DEFAULT = "YYYY-MM-DD"
UNITS = ("minutes", "hours", "days", "weeks", "months", "years")

_TOKEN = re.compile(r"\[[^\]]*\]|YYYY|YY|MM|M|DD|D|HH|H|mm|m|ss|s|SSS|[A-Za-z]+|.", re.DOTALL)
_PERCENT = {"%Y": "YYYY", "%y": "YY", "%m": "MM", "%d": "DD", "%H": "HH", "%M": "mm", "%S": "ss"}
_DIGITS = {
    "YYYY": (4, 4), "YY": (2, 2), "MM": (2, 2), "M": (1, 2), "DD": (2, 2), "D": (1, 2),
    "HH": (2, 2), "H": (1, 2), "mm": (2, 2), "m": (1, 2), "ss": (2, 2), "s": (1, 2), "SSS": (3, 3),
}  # fmt: skip
_PART = {
    "Y": "year", "M": "month", "D": "day", "H": "hour", "m": "minute", "s": "second",
    "S": "millisecond",
}  # fmt: skip
_SPAN = re.compile(r"(\d{1,9}) (minute|hour|day|week|month|year)s?")
_RELATIVE_WORDS = ("relative", "absoluteOrRelative")

Parts = dict[str, int]


@dataclass(frozen=True, slots=True)
class DateRule:
    """How a date is typed and sent. ``control`` is the type of the input: ``date``, ``month``,
    ``datetime-local`` or ``text``; ``relative`` allows a span such as ``7 days`` instead.
    """

    shown: str
    sent: str
    control: str
    relative: bool


def rule_of(item: dict[str, Any]) -> DateRule:
    """Read ``format``, ``valueFormat`` and ``dateType`` of a property."""
    shown, relative = _format(item.get("format"))
    sent, also = _format(item.get("valueFormat"))
    relative = relative or also or item.get("dateType") in _RELATIVE_WORDS
    sent = sent or shown or DEFAULT
    return DateRule(shown or sent, sent, _control(sent), relative)


def _format(value: object) -> tuple[str, bool]:
    """Return a usable format, ``""`` when there is none, and whether spans are allowed."""
    if not isinstance(value, str) or len(value) > 100:
        return "", False
    words = [word.strip() for word in value.split("|")]
    formats = [word for word in words if word and word not in _RELATIVE_WORDS]
    first = formats[0] if formats else ""
    for percent, token in _PERCENT.items():
        first = first.replace(percent, token)
    return first.replace("yyyy", "YYYY").replace("dd", "DD"), len(formats) < len(words)


def _tokens(format: str) -> list[str]:
    return [match.group() for match in _TOKEN.finditer(format)]


def _literal(piece: str) -> str:
    return piece[1:-1] if piece[0] == "[" and piece[-1] == "]" else piece


def _control(format: str) -> str:
    tokens = _tokens(format)
    words = [t for t in tokens if t[0].isalpha()]
    parts = [_PART[t[0]] for t in words if t in _DIGITS]
    if len(parts) < len(words) or len(set(parts)) < len(parts) or "YYYY" not in words:
        return "text"
    found = set(parts)
    if found == {"year", "month"}:
        return "month"
    if found == {"year", "month", "day"}:
        return "date"
    whole = {"year", "month", "day", "hour", "minute"}
    return "datetime-local" if whole <= found <= whole | {"second", "millisecond"} else "text"


def parse(text: str, format: str) -> Parts | None:
    """Return the parts of a date in this format, None when it is not one."""
    pattern, names = "", []
    for piece in _tokens(format):
        if piece in _DIGITS:
            least, most = _DIGITS[piece]
            pattern += rf"([0-9]{{{least},{most}}})"
            names.append(piece)
        else:
            pattern += re.escape(_literal(piece))
    match = re.fullmatch(pattern, text)
    if match is None:
        return None
    parts: Parts = {}
    for name, digits in zip(names, match.groups(), strict=True):
        number = int(digits) + (2000 if name == "YY" else 0)
        parts[_PART[name[0]]] = number
    return parts if _exists(parts) else None


def _exists(parts: Parts) -> bool:
    try:
        datetime(
            parts.get("year", 2000), parts.get("month", 1), parts.get("day", 1),
            parts.get("hour", 0), parts.get("minute", 0), parts.get("second", 0),
        )  # fmt: skip
    except ValueError:
        return False
    return True


def write(parts: Parts, format: str) -> str:
    """Return the date in this format."""
    written = []
    for piece in _tokens(format):
        if piece in _DIGITS:
            part = _PART[piece[0]]
            number = parts.get(part, 1 if part in ("month", "day") else 0)
            number = number % 100 if piece == "YY" else number
            written.append(str(number).zfill(_DIGITS[piece][0]))
        else:
            written.append(_literal(piece))
    return "".join(written)


def read_control(text: str, control: str) -> Parts | None:
    """Return the parts of what a browser's control sends."""
    if control == "month":
        return parse(text, "YYYY-MM")
    if control == "date":
        return parse(text, DEFAULT)
    for form in ("YYYY-MM-DD[T]HH:mm", "YYYY-MM-DD[T]HH:mm:ss", "YYYY-MM-DD[T]HH:mm:ss.SSS"):
        parts = parse(text, form)
        if parts is not None:
            return parts
    return None


def write_control(parts: Parts, control: str) -> str:
    """Return the parts as a browser's control wants them."""
    if control == "month":
        return write(parts, "YYYY-MM")
    if control == "date":
        return write(parts, DEFAULT)
    if parts.get("millisecond"):
        return write(parts, "YYYY-MM-DD[T]HH:mm:ss.SSS")
    return write(parts, "YYYY-MM-DD[T]HH:mm:ss")


def read_span(text: str) -> tuple[str, str] | None:
    """Return amount and unit of a span such as ``7 days``, the unit as in ``UNITS``."""
    match = _SPAN.fullmatch(text)
    return (match[1], match[2] + "s") if match else None
