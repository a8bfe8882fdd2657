"""CSV as RFC 4180 describes it: a header row of keys, quotes where needed, CRLF at line ends.

By default the data is byte for byte what the Worker pushed, because programs read it. A person
who opens it in a spreadsheet can ask for ``safe``: text that a spreadsheet would run as a formula
then gets a single quote in front. Real numbers stay numbers.
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
        cell = _safe_text if self._safe else text_of
        keys = self._keys
        return _lines(
            [cell(get(key)) for key in keys] for get in (read_row(row.data).get for row in rows)
        )

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
