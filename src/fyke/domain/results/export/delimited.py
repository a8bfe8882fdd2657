"""CSV by RFC 4180: a header row of keys, quotes where needed, CRLF at line ends.

By default the values are exactly what the Worker pushed, because programs read them. With ``safe``,
for spreadsheets, a single quote is put before text that a spreadsheet would run as a formula. JSON
numbers stay numbers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from fyke.domain.results.export.meta import ExportMeta
from fyke.domain.results.export.values import Number, TableReader, Value, text_of
from fyke.kit.spreadsheets import escape_formula
from fyke.model.results import Header, Row


class CsvWriter:
    """Writes one CSV file."""

    def __init__(self, columns: list[Header], meta: ExportMeta) -> None:
        self._keys = [column.key for column in columns]
        self._safe = meta.safe
        self._read = TableReader(self._keys)
        self._bom = b"\xef\xbb\xbf" if meta.bom else b""

    def head(self) -> bytes:
        if not self._keys:
            return self._bom
        keys = [escape_formula(key) for key in self._keys] if self._safe else self._keys
        return self._bom + _lines([keys])

    def page(self, rows: list[Row]) -> bytes:
        if not self._keys:
            return b""
        return b"".join([_lines(self._texts(table)) for table in self._read(rows)])

    def _texts(self, table: list[Sequence[Value]]) -> Iterable[Sequence[Value]]:
        if self._safe:
            return [[_safe_text(value) for value in cells] for cells in table]
        # the writer of csv converts all other values in the same way as text_of
        columns = [
            list(map(text_of, column)) if bool in set(map(type, column)) else column
            for column in zip(*table, strict=True)
        ]
        return zip(*columns, strict=True)

    def tail(self) -> bytes:
        return b""


def _safe_text(value: Value) -> str:
    text = text_of(value)
    if isinstance(value, str) and not isinstance(value, Number):
        return escape_formula(text)
    return text


def _lines(rows: Iterable[Sequence[Value]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue().encode("utf-8", "replace")
