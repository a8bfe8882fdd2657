"""Formats of dates in an input schema, such as ``DD/MM/YYYY``.

A format consists of YYYY, YY, MM, M, DD, D, HH, H, mm, m, ss, s, SSS and literal text between them;
text in square brackets is always literal. Lower-case ``yyyy`` and ``dd``, and the directives of
``strftime`` (``%Y-%m-%d``), are accepted as well.
"""

from __future__ import annotations

import itertools
import re
from functools import lru_cache

DEFAULT = "YYYY-MM-DD"
MAX_FORMAT = 100  # characters
RELATIVE_WORDS = ("relative", "absoluteOrRelative")

_TOKEN = re.compile(r"\[[^\]]*\]|YYYY|YY|MM|M|DD|D|HH|H|mm|m|ss|s|SSS|[A-Za-z]+|.", re.DOTALL)
_PERCENT = {"%Y": "YYYY", "%y": "YY", "%m": "MM", "%d": "DD", "%H": "HH", "%M": "mm", "%S": "ss"}
# minimum and maximum number of digits of each part
DIGITS = {
    "YYYY": (4, 4), "YY": (2, 2), "MM": (2, 2), "M": (1, 2), "DD": (2, 2), "D": (1, 2),
    "HH": (2, 2), "H": (1, 2), "mm": (2, 2), "m": (1, 2), "ss": (2, 2), "s": (1, 2), "SSS": (3, 3),
}  # fmt: skip
PART = {
    "Y": "year", "M": "month", "D": "day", "H": "hour", "m": "minute", "s": "second",
    "S": "millisecond",
}  # fmt: skip


def format_problem(value: object) -> str:
    """Return why a ``format`` or ``valueFormat`` cannot be used, ``""`` when it can."""
    if not isinstance(value, str) or len(value) > MAX_FORMAT:
        return f"must be text of at most {MAX_FORMAT} characters"
    return ambiguity(parse_format(value)[0])


def parse_format(value: object) -> tuple[str, bool]:
    """Return the first format, ``""`` when there is none, and whether spans are allowed."""
    if not isinstance(value, str) or len(value) > MAX_FORMAT:
        return "", False
    words = [word.strip() for word in value.split("|")]
    formats = [word for word in words if word and word not in RELATIVE_WORDS]
    first = formats[0] if formats else ""
    for percent, token in _PERCENT.items():
        first = first.replace(percent, token)
    return first.replace("yyyy", "YYYY").replace("dd", "DD"), len(formats) < len(words)


def ambiguity(format: str) -> str:
    """Return why a date in this format could be read in two ways, ``""`` when it could not."""
    pieces = tokens(format)
    parts = [PART[piece[0]] for piece in pieces if piece in DIGITS]
    for part in parts:
        if parts.count(part) > 1:
            return f"names the {part} twice"
    for piece, following in itertools.pairwise(pieces):
        shortest, longest = DIGITS.get(piece, (0, 0))
        if shortest < longest and (following in DIGITS or literal(following)[:1].isdecimal()):
            return f"has no separator after {piece}"
    return ""


@lru_cache(maxsize=256)
def tokens(format: str) -> tuple[str, ...]:
    """Return the tokens of a format in order: parts of a date and literal text."""
    return tuple(piece for piece in _TOKEN.findall(format) if piece != "[]")


def literal(piece: str) -> str:
    """Return the text of a literal token."""
    return piece[1:-1] if piece[0] == "[" and piece[-1] == "]" else piece
