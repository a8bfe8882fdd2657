"""Rows of a table as fields within a field: the names of their cells, and imported rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from fyke.domain.forms.controls import PostedTexts
from fyke.domain.forms.model import FormField
from fyke.domain.forms.tables import Table

MAX_ROWS = 10_000
SHOWN_ROWS = 300  # longer tables are shown as JSON
SHOWN_OPTIONS = 50_000  # in all selects of a table; tables with more are shown as JSON

_CELL = re.compile(r"(\d{1,6})\.([^:]*)(?::(.*))?", re.DOTALL)


def quote_name(name: str) -> str:
    """Encode a name, so that it contains no separator of control names."""
    return quote(name, safe="", errors="surrogatepass")


def unquote_name(text: str) -> str:
    """Decode a name that ``quote_name`` has encoded."""
    return unquote(text, errors="surrogatepass")


def cell_name(row: int | str, column: str, suffix: str = "") -> str:
    """Return the suffix of a cell: row and column, the column quoted so that it has no dot."""
    return f"{row}.{quote_name(column)}" + (f":{suffix}" if suffix else "")


def too_large(field: FormField, rows: int) -> bool:
    """Whether a table of so many rows is too large for a page."""
    options = sum(len(column.options) for column in field.columns)
    return rows > SHOWN_ROWS or rows * options > SHOWN_OPTIONS


def rows_of(field: FormField, posted: PostedTexts) -> list[dict[str, PostedTexts]]:
    """Return the rows that were sent, each as a mapping from column names to cells."""
    rows: dict[int, dict[str, PostedTexts]] = {}
    names = {column.name for column in field.columns}
    for suffix, texts in posted.items():
        match = _CELL.fullmatch(suffix)
        name = unquote_name(match[2]) if match else ""
        if match and name in names:
            cells = rows.setdefault(int(match[1]), {})
            cells.setdefault(name, {})[match[3] or ""] = texts
    return [rows[number] for number in sorted(rows)]


@dataclass(frozen=True, slots=True)
class Cells:
    """Imported rows as a form would send them. ``lines``: the source line of each row."""

    cells: PostedTexts
    lines: list[int]
    header: bool


def cells_of(field: FormField, table: Table, *, after: int = 0) -> Cells:
    """Return the rows of a table, numbered from ``after`` on.

    When the first row contains the name or title of a column, it is a header and maps the columns;
    otherwise they are in the order of the field.
    """
    indexes = _header_indexes(field, table.rows[0]) if table.rows else None
    header = indexes is not None
    if indexes is None:
        indexes = list(range(len(field.columns)))
    imported = Cells({}, [], header)
    for line, row in list(zip(table.lines, table.rows, strict=True))[header:]:
        number = after + len(imported.lines)
        cells = {
            cell_name(number, column.name): [row[index]]
            for column, index in zip(field.columns, indexes, strict=True)
            if index is not None and index < len(row) and row[index]
        }
        if cells:
            imported.cells.update(cells)
            imported.lines.append(line)
    return imported


def _header_indexes(field: FormField, head: list[str]) -> list[int | None] | None:
    """The index in ``head`` of each column of the field, None when ``head`` is not a header."""
    titles = {cell.strip().casefold(): n for n, cell in reversed(list(enumerate(head)))}
    indexes = [
        titles.get(column.name.casefold(), titles.get(column.title.casefold()))
        for column in field.columns
    ]
    return indexes if any(index is not None for index in indexes) else None
