"""Numbers as users type them: digits and a decimal point, of any length. Commas are refused,
because they are ambiguous.
"""

from __future__ import annotations

import math
import re

from fyke.domain.workers.jsontext import MAX_DIGITS

_LARGEST_GROUPED = 10**15
_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


class NotANumber(ValueError):
    """The text is not a number; the message is the rule and the remedy."""


def read_number(text: str, *, whole: bool) -> int | float:
    """Return the number, integers with all digits. Raise ``NotANumber``."""
    typed = text.strip()
    if len(typed) > MAX_DIGITS:
        raise NotANumber(f"must have at most {MAX_DIGITS:,} digits; shorten it")
    if _WHOLE.fullmatch(typed):
        return int(typed)
    if not _NUMBER.fullmatch(typed):
        raise NotANumber(_rule(typed, whole))
    number = float(typed)
    if not math.isfinite(number):
        raise NotANumber("is too large for a number; give a smaller one")
    if whole and not number.is_integer():
        raise NotANumber(f"must be a whole number; {typed[:40]} has decimals, so round it")
    return number


def _rule(typed: str, whole: bool) -> str:
    expected = "a whole number" if whole else "a number"
    if "," in typed:
        return (
            f"must be {expected} without commas; write the decimal point as . and leave out "
            "thousands separators, as in 1234.5"
        )
    return f"must be {expected}; use digits only, such as {'12' if whole else '12.5'}"


def within(number: float, minimum: float | None, maximum: float | None) -> str:
    """Return the rule that the number breaks, ``""`` when it is within the bounds."""
    if minimum is not None and number < minimum:
        return f"must be at least {_grouped(minimum)}; {number} is too small"
    if maximum is not None and number > maximum:
        return f"must be at most {_grouped(maximum)}; {number} is too large"
    return ""


def _grouped(bound: float) -> str:
    return f"{bound:,}" if abs(bound) < _LARGEST_GROUPED else str(bound)
