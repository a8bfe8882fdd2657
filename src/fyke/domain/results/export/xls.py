"""XLS through xlwt, for old programs and small tables.

xlwt keeps all texts of a workbook in memory until it is saved, so the size of an export is limited
(``XLS_MAX_BYTES``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fyke.domain.results.export.cells import cell_number, cell_text, header_text, sheet_name
from fyke.domain.results.export.values import Number, TableReader, Value
from fyke.model.results import Header, RowBlock

XLS_ROWS = 65_536
XLS_MAX_BYTES = 32 * 2**20  # of row data; the workbook takes five to six times as much
_FLUSH_ROWS = 1000


class XlsBook:
    """A workbook that is written to a file. Each sheet starts with a row of keys. All methods raise
    ``OSError`` when the disk is full. Rows are flushed to a temporary file; texts stay in memory
    until the end.
    """

    def __init__(self, path: Path, columns: list[Header], *, sheet_rows: int = XLS_ROWS) -> None:
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
        self._sheet = self._book.add_sheet(sheet_name(self._sheets))
        self._sheet.set_panes_frozen(True)
        self._sheet.set_horz_split_pos(1)
        header = self._sheet.row(0)
        for column, key in enumerate(self._keys):
            header.set_cell_text(column, header_text(key), self._bold)
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
        if isinstance(cell, float):
            line.set_cell_number(column, cell)
        else:
            line.set_cell_text(column, cell)

    def save(self) -> None:
        self._book.save(str(self._path))
