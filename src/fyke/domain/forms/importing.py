"""Fills a list of the form from a file, or from cells copied from a spreadsheet.

Imported rows follow the same rules as typed ones, with the line of the file in every error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fyke.domain.forms.codec import decode
from fyke.domain.forms.model import ControlKind, FormField, InputError
from fyke.domain.forms.rows import cells_of
from fyke.domain.forms.tables import MAX_BYTES, Table, pasted, read_text_file, refuse
from fyke.domain.forms.workbook import read_workbook
from fyke.errors import InvalidFields

_WORKBOOK = b"PK\x03\x04"
_OLD_WORKBOOK = b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True, slots=True)
class ImportChoice:
    """``column`` is the 1-based number or the title of a column of the file; ``""`` chooses the
    column named like the field, else the first one. ``sheet`` is the sheet of a workbook, ``""``
    the first.
    """

    column: str = ""
    sheet: str = ""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The value for the field, and its errors. ``header``: the first row has titles."""

    value: list[Any]
    header: bool
    errors: tuple[InputError, ...] = ()


def read_file(name: str, data: bytes, sheet: str = "") -> Table:
    """Return the cells of a CSV, TXT or XLSX file, recognised by content, then by name.

    Raise ``InvalidRequest`` with the line and the remedy.
    """
    if not data:
        raise refuse("is empty; choose one with at least one line")
    if len(data) > MAX_BYTES:
        raise refuse(f"has more than {MAX_BYTES // 2**20} MiB; split it, or save it as CSV")
    if data.startswith(_WORKBOOK):
        return read_workbook(data, sheet)
    if data.startswith(_OLD_WORKBOOK):
        raise refuse("is a workbook in the old format (XLS); save it as XLSX or CSV")
    return read_text_file(data, delimited=name.lower().endswith(".csv"))


def import_file(field: FormField, name: str, data: bytes, choice: ImportChoice) -> ImportResult:
    """Return the file as a value of the field. Raise ``InvalidRequest``, ``InvalidFields``."""
    return import_table(field, read_file(name, data, choice.sheet), choice.column)


def import_text(field: FormField, text: str) -> ImportResult:
    """Return pasted lines as a value of the field."""
    return import_table(field, pasted(text), "")


def import_table(field: FormField, table: Table, column: str) -> ImportResult:
    """Return the cells as a value of a list or of a table of the form."""
    if field.kind is ControlKind.LIST:
        return _import_list(field, table, column)
    if field.kind is ControlKind.TABLE:
        return _import_rows(field, table)
    raise InvalidFields(f'field "{field.name}" is not a list; only lists can be filled from a file')


def _import_list(field: FormField, table: Table, column: str) -> ImportResult:
    titles = [cell.strip() for cell in table.rows[0]] if table.rows else []
    index, header = _column(field, titles, column)
    rows = table.rows[1:] if header else table.rows
    cells = [row[index].replace("\r\n", "\n") for row in rows if index < len(row)]
    lines = [cell for cell in cells if cell.strip()]
    if not lines and table.rows:
        raise InvalidFields(
            f"column {index + 1} of the file is empty; choose another", field="column"
        )
    return ImportResult([{field.item_key: x} for x in lines] if field.item_key else lines, header)


def _column(field: FormField, titles: list[str], choice: str) -> tuple[int, bool]:
    """The index of the column, and whether the first row has titles."""
    names = {name.casefold() for name in (field.name, field.title, field.item_key) if name}
    default = next((n for n, title in enumerate(titles) if title.casefold() in names), None)
    choice = choice.strip()
    if not choice:
        return (0, False) if default is None else (default, True)
    for n, title in enumerate(titles):
        if title.casefold() == choice.casefold():
            return n, True
    if choice.isdecimal() and 0 < int(choice) <= max(len(titles), 1):
        return int(choice) - 1, default is not None
    listed = ", ".join(title for title in titles if title)[:200]
    raise InvalidFields(
        f'the file has no column "{choice[:80]}"; its titles are: {listed}', field="column"
    )


def _import_rows(field: FormField, table: Table) -> ImportResult:
    imported = cells_of(field, table)
    read = decode(field, imported.cells)
    errors = tuple(_with_line(error, imported.lines) for error in read.problems)
    return ImportResult(read.value, imported.header, errors)


def _with_line(error: InputError, lines: list[int]) -> InputError:
    if not 0 < error.row <= len(lines):
        return error
    return replace(error, line=lines[error.row - 1])
