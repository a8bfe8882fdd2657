"""Rows of a table as fields within a field: the names of their cells, and import of rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from fyke.domain.forms.controls import PostedTexts
from fyke.domain.forms.model import FormField
from fyke.domain.forms.tables import Table

MAX_ROWS = 10_000
SHOWN_ROWS = 300  # more are shown as JSON, because ten thousand controls are of no use

_CELL = re.compile(r"(\d{1,6})\.([^:]*)(?::(.*))?", re.DOTALL)


def quoted(name: str) -> str:
    """Encode a name, so that it contains no separator of control names."""
    return quote(name, safe="", errors="surrogatepass")


def unquoted(text: str) -> str:
    """Decode a name that ``quoted`` has encoded."""
    return unquote(text, errors="surrogatepass")


def cell_name(row: int | str, column: str, suffix: str = "") -> str:
    """Return the suffix of a cell: row and column, the column quoted so that it has no dot."""
    return f"{row}.{quoted(column)}" + (f":{suffix}" if suffix else "")


def rows_of(field: FormField, posted: PostedTexts) -> list[dict[str, PostedTexts]]:
    """Return the rows that were sent, each as a mapping from column names to cells."""
    rows: dict[int, dict[str, PostedTexts]] = {}
    names = {column.name for column in field.columns}
    for suffix, texts in posted.items():
        match = _CELL.fullmatch(suffix)
        name = unquoted(match[2]) if match else ""
        if match and name in names:
            cells = rows.setdefault(int(match[1]), {})
            cells.setdefault(name, {})[match[3] or ""] = texts
    return [rows[number] for number in sorted(rows)]


@dataclass(frozen=True, slots=True)
class Cells:
    """Imported rows as a form would send them. ``lines``: the line of each row in its source."""

    cells: PostedTexts
    lines: list[int]
    header: bool


def cells_of(field: FormField, table: Table, *, after: int = 0) -> Cells:
    """Return the rows of a table, numbered from ``after`` on. When the first row contains the name
    or title of a column, it is a header and maps the columns; otherwise they are in the order of
    the field.
    """
    places = _titled(field, table.rows[0]) if table.rows else None
    header = places is not None
    order: list[int | None] = places or list(range(len(field.columns)))
    found = Cells({}, [], header)
    for line, row in list(zip(table.lines, table.rows, strict=True))[header:]:
        number = after + len(found.lines)
        cells = {
            cell_name(number, column.name): [row[place]]
            for column, place in zip(field.columns, order, strict=True)
            if place is not None and place < len(row) and row[place]
        }
        if cells:
            found.cells.update(cells)
            found.lines.append(line)
    return found


def _titled(field: FormField, head: list[str]) -> list[int | None] | None:
    """For each column of the field its index in the file, None when the first row is no header."""
    titles = {cell.strip().casefold(): n for n, cell in reversed(list(enumerate(head)))}
    places = [
        titles.get(column.name.casefold(), titles.get(column.title.casefold()))
        for column in field.columns
    ]
    return places if any(place is not None for place in places) else None
