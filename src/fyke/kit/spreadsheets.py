"""Cells for spreadsheets, in exact and locale-independent form."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime


def csv_lines(rows: Iterable[Sequence[str]]) -> bytes:
    """Return rows as CSV (RFC 4180), UTF-8."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue().encode("utf-8", "replace")


def iso_time(ms: int) -> str:
    """Return a time (ms since the epoch) as ISO 8601 in UTC; empty for 0."""
    if not ms:
        return ""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


def exact_usd(micros: int) -> str:
    """Return millionths of a dollar as dollars with six decimals."""
    sign = "-" if micros < 0 else ""
    dollars, rest = divmod(abs(micros), 1_000_000)
    return f"{sign}{dollars}.{rest:06d}"


# After blanks and quotes: the start of a formula, even in full-width form, or a control character
# at which a spreadsheet may start a new cell.
_FORMULA = re.compile(
    "[\\s\"'\\x00\\ufeff\\u200b]*[=+\\-@\uff1d\uff0b\uff0d\uff20\u2212]"
    "|[ \"'\\u00a0\\ufeff\\u200b]*[\t\r\n\x00]"
)


def escape_formula(text: str) -> str:
    """Return the text, with a leading apostrophe if a spreadsheet might read it as a formula."""
    return "'" + text if _FORMULA.match(text) else text
