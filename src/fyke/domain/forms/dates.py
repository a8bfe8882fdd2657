"""Dates of the form: the format that is shown and typed, and the format that is sent.

Formats are those of ``date_formats``; a span is a text such as ``7 days``. A format without a year,
and one whose dates could be read in more than one way, gets a plain text control.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fyke.domain.workers.date_formats import (
    DEFAULT,
    DIGITS,
    PART,
    RELATIVE_WORDS,
    ambiguity,
    literal,
    parse_format,
    tokens,
)

UNITS = ("minutes", "hours", "days", "weeks", "months", "years")

_SPAN = re.compile(r"(\d{1,9}) (minute|hour|day|week|month|year)s?")
_MAX_TEXT = 200  # characters; no date in a format of 100 characters is longer

Parts = dict[str, int]


@dataclass(frozen=True, slots=True)
class DateRule:
    """The formats of a date. ``control`` is the type of the HTML input: ``date``, ``month``,
    ``datetime-local`` or ``text``; ``relative`` allows a span such as ``7 days`` instead.
    """

    shown_format: str
    sent_format: str
    control: str
    relative: bool


def rule_of(item: dict[str, Any]) -> DateRule:
    """Read ``format``, ``valueFormat`` and ``dateType`` of a property."""
    shown, relative = parse_format(item.get("format"))
    sent, sent_relative = parse_format(item.get("valueFormat"))
    relative = relative or sent_relative or item.get("dateType") in RELATIVE_WORDS
    sent = sent or shown or DEFAULT
    if not shown or ambiguity(shown):
        shown = sent
    return DateRule(shown, sent, _control(sent), relative)


def _control(format: str) -> str:
    words = [token for token in tokens(format) if token[0].isalpha()]
    if not DIGITS.keys() >= set(words) or "YYYY" not in words or ambiguity(format):
        return "text"
    parts = {PART[token[0]] for token in words}
    if parts == {"year", "month"}:
        return "month"
    if parts == {"year", "month", "day"}:
        return "date"
    minute = {"year", "month", "day", "hour", "minute"}
    return "datetime-local" if minute <= parts <= minute | {"second", "millisecond"} else "text"


def parse(text: str, format: str) -> Parts | None:
    """Return the parts of a date in this format, None for any other text.

    Each part takes as many digits as it may, without backtracking, so the time is linear.
    """
    if len(text) > _MAX_TEXT:
        return None
    parts: Parts = {}
    at = 0
    for piece in tokens(format):
        if piece in DIGITS:
            digits = _leading_digits(text, at, DIGITS[piece])
            if not digits:
                return None
            parts[PART[piece[0]]] = int(digits) + (2000 if piece == "YY" else 0)
            at += len(digits)
        elif text.startswith(literal(piece), at):
            at += len(literal(piece))
        else:
            return None
    return parts if at == len(text) and _exists(parts) else None


def _leading_digits(text: str, at: int, bounds: tuple[int, int]) -> str:
    """The ASCII digits at an offset, ``""`` when they are fewer than the lower bound."""
    minimum, maximum = bounds
    end = at
    while end < min(at + maximum, len(text)) and text[end] in "0123456789":
        end += 1
    return text[at:end] if end - at >= minimum else ""


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
    for piece in tokens(format):
        if piece in DIGITS:
            part = PART[piece[0]]
            number = parts.get(part, 1 if part in ("month", "day") else 0)
            number = number % 100 if piece == "YY" else number
            written.append(str(number).zfill(DIGITS[piece][0]))
        else:
            written.append(literal(piece))
    return "".join(written)


def read_control(text: str, control: str) -> Parts | None:
    """Return the parts of a date as a browser's control sends it, None for any other text."""
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
    """Return the date in the format of a browser's control."""
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
