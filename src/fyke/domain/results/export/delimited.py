"""CSV by RFC 4180: a header row of keys, quotes where needed, CRLF at line ends.

By default the values are exactly what the Worker pushed, because programs read them. With ``safe``,
for spreadsheets, a single quote is put before text that a spreadsheet would run as a formula. JSON
numbers stay numbers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from fyke.domain.results.export.meta import ExportMeta
from fyke.domain.results.export.values import Number, Value, read_row, text_of
from fyke.kit.spreadsheets import escape_formula
from fyke.model.results import Header, Row


class CsvWriter:
    """Writes one CSV file."""

    def __init__(self, columns: list[Header], meta: ExportMeta) -> None:
        self._keys = [column.key for column in columns]
        self._safe = meta.safe
        self._bom = b"\xef\xbb\xbf" if meta.bom else b""

    def head(self) -> bytes:
        if not self._keys:
            return self._bom
        keys = [escape_formula(key) for key in self._keys] if self._safe else self._keys
        return self._bom + _lines([keys])

    def page(self, rows: list[Row]) -> bytes:
        if not self._keys:
            return b""
        return _lines(self._cells(read_row(row.data)) for row in rows)

    def _cells(self, members: dict[str, Value]) -> list[str]:
        cell = _safe_text if self._safe else text_of
        return [cell(members.get(key)) for key in self._keys]

    def tail(self) -> bytes:
        return b""


def _safe_text(value: Value) -> str:
    text = text_of(value)
    if isinstance(value, str) and not isinstance(value, Number):
        return escape_formula(text)
    return text


def _lines(rows: Iterable[list[str]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue().encode("utf-8", "replace")
