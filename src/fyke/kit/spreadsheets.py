"""Cells of tables for spreadsheets: exact, and the same in every language."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime


def csv_lines(rows: Iterable[Sequence[str]]) -> bytes:
    """Lines as RFC 4180 describes them."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue().encode("utf-8", "replace")


def iso_time(ms: int) -> str:
    """A moment (ms since the epoch) in UTC, empty for 0."""
    if not ms:
        return ""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


def exact_usd(micros: int) -> str:
    """Millionths of a dollar as dollars with every digit."""
    sign = "-" if micros < 0 else ""
    whole, rest = divmod(abs(micros), 1_000_000)
    return f"{sign}{whole}.{rest:06d}"


# What starts a formula, even in full-width form or after blanks and quotes; and the
# control characters with which a spreadsheet may begin a new cell.
_FORMULA = re.compile(
    "[\\s\"'\\x00\\ufeff\\u200b]*[=+\\-@\uff1d\uff0b\uff0d\uff20\u2212]|[\t\r\n\x00]"
)


def escape_formula(text: str) -> str:
    """Return the text so that no spreadsheet takes it for a formula."""
    return "'" + text if _FORMULA.match(text) else text
