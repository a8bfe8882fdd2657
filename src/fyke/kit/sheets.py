"""Cells of tables for spreadsheets: exact, and the same in every language."""

from __future__ import annotations

import csv
import io
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
