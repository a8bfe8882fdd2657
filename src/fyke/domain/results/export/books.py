"""Workbooks: XLSX through XlsxWriter in constant memory, XLS through xlwt.

Cells are typed: text is text, whatever it begins with, and becomes neither formula nor link.
Numbers are numbers as long as a spreadsheet can store them; whole numbers of more than 15 digits
are text, because Excel would replace their last digits by zeros. When a sheet is full the next
one begins, with the header row again.

xlwt keeps all texts of a workbook in memory until it is saved, so the size of an XLS export is
limited (``XLS_MAX_BYTES``); the format is for old programs and small tables.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from fyke.domain.results.export.values import Number, TableReader, Value
from fyke.model.results import Header, RowBlock

XLSX_ROWS = 1_048_576
XLS_ROWS = 65_536
XLS_MAX_BYTES = 32 * 2**20  # of row data; the workbook takes five to six times as much
CELL_CHARACTERS = 32_767  # UTF-16 units, as Excel counts
CUT_MARK = "\u2026[cut]"
_EXACT_BELOW = 10**15
_FLUSH_ROWS = 1000


class Book(Protocol):
    """A workbook that is written to a file. Each sheet starts with a row of keys. All methods raise
    ``OSError`` when the disk is full.
    """

    def add(self, block: RowBlock) -> None: ...
    def save(self) -> None: ...


def cell_text(text: str) -> str:
    """Cut the text to the limit of a cell, 32,767 UTF-16 units, with a mark."""
    if len(text) * 2 > CELL_CHARACTERS:
        units = text.encode("utf-16-le", "replace")
        if len(units) > CELL_CHARACTERS * 2:
            size = (CELL_CHARACTERS - len(CUT_MARK)) * 2
            text = units[:size].decode("utf-16-le", "ignore") + CUT_MARK
    return text


def cell_number(value: int | Number) -> Decimal | str:
    """Return a number that a spreadsheet stores exactly, else its digits as text."""
    if isinstance(value, int):
        return Decimal(value) if -_EXACT_BELOW < value < _EXACT_BELOW else str(value)
    number = float(value)
    exact = Decimal(value)
    underflow = number == 0 and exact != 0
    return str(value) if underflow or abs(number) == float("inf") else exact


@cache
def _plain_sheet() -> type:
    """In constant memory XlsxWriter treats any text of the form ``<r>...</r>`` as its own rich text
    and writes it unescaped, so a scraped text could add cells and formulas to the file. This class
    escapes such text like any other.
    """
    from xlsxwriter.worksheet import Worksheet

    class PlainSheet(Worksheet):  # type: ignore[misc]
        def _xml_rich_inline_string(self, string: str, attributes: Any = ()) -> None:
            self._xml_inline_string(string, False, list(attributes))

    return PlainSheet


class XlsxBook:
    """Strings are stored in the sheets, and a row is on disk as soon as the next row begins."""

    def __init__(
        self, path: Path, columns: list[Header], *, at: int = 0, sheet_rows: int = XLSX_ROWS
    ) -> None:
        from xlsxwriter import Workbook  # slow to import; most processes write no workbook

        options = {"constant_memory": True, "tmpdir": str(path.parent), "use_zip64": True}
        self._book = Workbook(str(path), options)
        # the end of the run, not the time of writing, so that the same rows give the same bytes
        self._book.set_properties({"created": datetime.fromtimestamp(at // 1000, UTC)})
        self._bold = self._book.add_format({"bold": True})
        self._keys = [column.key for column in columns]
        self._read = TableReader(self._keys)
        self._sheet_rows = sheet_rows
        self._sheets = 0
        self._begin_sheet()

    def _begin_sheet(self) -> None:
        self._sheets += 1
        self._sheet = self._book.add_worksheet(_sheet_name(self._sheets), _plain_sheet())
        self._sheet.freeze_panes(1, 0)
        for column, key in enumerate(self._keys):
            self._sheet.write_string(0, column, _header_text(key), self._bold)
        self._row = 1

    def add(self, block: RowBlock) -> None:
        for cells in self._read.rows(block):
            if self._row == self._sheet_rows:
                self._begin_sheet()
            for column, value in enumerate(cells):
                if value is not None:
                    self._write(column, value)
            self._row += 1

    def _write(self, column: int, value: Value) -> None:
        if isinstance(value, bool):
            self._sheet.write_boolean(self._row, column, value)
            return
        cell = cell_number(value) if isinstance(value, int | Number) else cell_text(value or "")
        if isinstance(cell, Decimal):
            self._sheet.write_number(self._row, column, cell)
        else:
            self._sheet.write_string(self._row, column, cell)

    def save(self) -> None:
        from xlsxwriter.exceptions import FileCreateError

        try:
            self._book.close()
        except FileCreateError as error:  # raised by XlsxWriter for an OSError
            raise OSError(*getattr(error.args[0], "args", error.args)) from error


class XlsBook:
    """Rows are flushed to a temporary file; texts stay in memory until the end."""

    def __init__(
        self, path: Path, columns: list[Header], *, at: int = 0, sheet_rows: int = XLS_ROWS
    ) -> None:
        import xlwt  # slow to import; few processes write this format

        self._path = path
        self._book = xlwt.Workbook(encoding="utf-8")
        self._bold = xlwt.easyxf("font: bold on")
        self._keys = [column.key for column in columns]
        self._read = TableReader(self._keys)
        self._sheet_rows = sheet_rows
        self._sheets = 0
        self._begin_sheet()

    def _begin_sheet(self) -> None:
        self._sheets += 1
        self._sheet = self._book.add_sheet(_sheet_name(self._sheets))
        self._sheet.set_panes_frozen(True)
        self._sheet.set_horz_split_pos(1)
        header = self._sheet.row(0)
        for column, key in enumerate(self._keys):
            header.set_cell_text(column, _header_text(key), self._bold)
        self._row = 1

    def add(self, block: RowBlock) -> None:
        for cells in self._read.rows(block):
            if self._row == self._sheet_rows:
                self._sheet.flush_row_data()
                self._begin_sheet()
            line = self._sheet.row(self._row)
            for column, value in enumerate(cells):
                if value is not None and value != "":
                    self._write(line, column, value)
            self._row += 1
            if self._row % _FLUSH_ROWS == 0:
                self._sheet.flush_row_data()

    @staticmethod
    def _write(line: Any, column: int, value: Value) -> None:
        if isinstance(value, bool):
            line.set_cell_boolean(column, value)
            return
        cell = cell_number(value) if isinstance(value, int | Number) else cell_text(value or "")
        if isinstance(cell, Decimal):
            line.set_cell_number(column, float(cell))
        else:
            line.set_cell_text(column, cell)

    def save(self) -> None:
        self._book.save(str(self._path))


def _sheet_name(number: int) -> str:
    return "Results" if number == 1 else f"Results {number}"


def _header_text(key: str) -> str:
    return cell_text(key.encode("utf-8", "replace").decode())
