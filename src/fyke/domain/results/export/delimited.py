"""CSV by RFC 4180: a header row of keys, quotes where needed, CRLF at line ends.

By default the values are exactly what the Worker pushed, because programs read them. With ``safe``,
for spreadsheets, a single quote is put before text that a spreadsheet would run as a formula. JSON
numbers stay numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from fyke.domain.results.export.meta import ExportMeta
from fyke.domain.results.export.values import Column, TableReader, Value, text_of, texts_of
from fyke.kit.spreadsheets import escape_formula
from fyke.model.results import Header, RowBlock


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
        return self._bom + _lines(self._cells([[key] for key in self._keys]))

    def page(self, block: RowBlock) -> bytes:
        if not self._keys:
            return b""
        return b"".join([_lines(self._cells(columns)) for columns in self._read.columns(block)])

    def _cells(self, columns: list[Column]) -> list[Sequence[str]]:
        cells = [_quoted(self._texts(column)) for column in columns]
        if len(cells) == 1:  # an empty line is no row
            cells = [[cell or '""' for cell in cells[0]]]
        return cells

    def _texts(self, column: Column) -> Sequence[str]:
        texts = texts_of(column)
        if self._safe and not _begin_harmless(texts):
            return list(map(_safe_text, column))
        return texts

    def tail(self) -> bytes:
        return b""


def _begin_harmless(texts: Sequence[str]) -> bool:
    """Whether all begin with a letter or a digit, so that none needs ``escape_formula``."""
    first = "".join({text[:1] for text in texts})
    return not first or first.isalnum()


def _safe_text(value: Value) -> str:
    text = text_of(value)
    if type(value) is str:  # Number and Nested never look like formulas
        return escape_formula(text)
    return text


def _quoted(texts: Sequence[str]) -> Sequence[str]:
    """The cells of a column. Most columns need no quotes in most blocks, which one search shows:
    the module csv looks at each character and takes three times as long in all.
    """
    if not _needs_quotes("".join(texts)):
        return texts
    return ['"' + text.replace('"', '""') + '"' if _needs_quotes(text) else text for text in texts]


def _needs_quotes(text: str) -> bool:
    return '"' in text or "," in text or "\n" in text or "\r" in text


def _lines(columns: Sequence[Sequence[str]]) -> bytes:
    lines = map(",".join, zip(*columns, strict=True))
    return "\r\n".join([*lines, ""]).encode("utf-8", "replace")
