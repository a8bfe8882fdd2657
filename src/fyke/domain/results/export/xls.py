"""XLS (BIFF8) for old programs and small tables.

A workbook begins with the places of its sheets and with all of its texts. So the records of the
cells and those of the texts are written to a temporary file each, and copied behind one another at
the end. Only short texts of the last rows are remembered, to store a repeated one once.
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from fyke.domain.results.export import compound
from fyke.domain.results.export.cells import cell_number, cell_text, header_text, sheet_name
from fyke.domain.results.export.values import Column, Number, TableReader, Value
from fyke.model.results import Header, RowBlock

XLS_ROWS = 65_536
XLS_MAX_BYTES = 32 * 2**20  # of row data
_RECORD_BYTES = 8224  # longer ones are continued in another record
_REMEMBERED_TEXTS = 2000  # few, because they pin the memory of the rows that they came in
_REMEMBERED_CHARACTERS = 100  # of a text
_CELLS_AT_ONCE = 2**11

_SST, _CONTINUE = 0x00FC, 0x003C
_PLAIN, _BOLD = 15, 16  # formats of cells
_number_cell = struct.Struct("<HHHHHd").pack
_text_cell = struct.Struct("<HHHHHI").pack
_boolean_cell = struct.Struct("<HHHHHBB").pack


def _record(kind: int, body: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(body)) + body


def _begin(kind: int) -> bytes:
    return _record(0x0809, struct.pack("<HHHHII", 0x0600, kind, 0x0DBB, 1996, 0, 6))


def _font(weight: int, bold: int) -> bytes:
    name = b"Arial"
    body = struct.pack("<HHHHHBBBBBB", 200, bold, 0x7FFF, weight, 0, 0, 0, 0, 0, len(name), 0)
    return _record(0x0031, body + name)


def _cell_format(font: int, kind: int, used: int) -> bytes:
    return _record(
        0x00E0, struct.pack("<HHHBBBBIIH", font, 0, kind, 0x20, 0, 0, used, 0, 0, 0x20C0)
    )


_END = _record(0x000A)
_GLOBALS = b"".join(
    [
        _begin(0x0005),
        _record(0x0042, struct.pack("<H", 1200)),  # UTF-16
        _record(0x003D, struct.pack("<9H", 0, 0, 0x4000, 0x2000, 0x38, 0, 0, 1, 600)),
        *[_font(400, 0)] * 4,
        _font(700, 1),  # its number is 5, because there is no font 4
        *[_cell_format(0, 0xFFF5, 0xF4)] * 15,  # of styles
        _cell_format(0, 1, 0xF8),
        _cell_format(5, 1, 0xF8),
        _record(0x0293, struct.pack("<HBB", 0x8000, 0, 0xFF)),  # the style Normal
    ]
)


class XlsBook:
    """A workbook that is written to a file. Each sheet starts with a row of keys. All methods raise
    ``OSError`` when the disk is full. To be closed, whether it was saved or not.
    """

    def __init__(self, path: Path, columns: list[Header], *, sheet_rows: int = XLS_ROWS) -> None:
        self._path = path
        self._keys = [column.key for column in columns]
        self._read = TableReader(self._keys)
        self._at_once = max(1, _CELLS_AT_ONCE // max(1, len(columns)))
        self._sheet_rows = sheet_rows
        self._texts = _Texts(path.with_name("texts"))
        self._cells = path.with_name("cells").open("w+b")
        self._sheets: list[tuple[int, int]] = []  # rows, and bytes of their cells
        keys = [self._texts.add(header_text(key)) for key in self._keys]
        self._head = b"".join(
            _text_cell(0x00FD, 10, 0, number, _BOLD, key) for number, key in enumerate(keys)
        )
        self._begin_sheet()

    def _begin_sheet(self) -> None:
        self._row, self._size = 1, self._cells.write(self._head)

    def _end_sheet(self) -> None:
        self._sheets.append((self._row, self._size))

    def add(self, block: RowBlock) -> None:
        if self._keys:
            for columns in self._read.columns(block):
                self._add(columns)

    def _add(self, columns: list[Column]) -> None:
        begin, count = 0, len(columns[0])
        while begin < count:
            if self._row >= self._sheet_rows:
                self._end_sheet()
                self._begin_sheet()
            end = min(count, begin + self._at_once, begin + self._sheet_rows - self._row)
            rows = range(self._row, self._row + end - begin)
            cells = [
                self._column(number, column[begin:end], rows)
                for number, column in enumerate(columns)
            ]
            lines = chain.from_iterable(zip(*cells, strict=True))
            self._size += self._cells.write(b"".join(lines))
            self._row += end - begin
            begin = end

    def _column(self, number: int, column: Sequence[Value], rows: range) -> list[bytes]:
        return [self._cell(row, number, value) for row, value in zip(rows, column, strict=True)]

    def _cell(self, row: int, column: int, value: Value) -> bytes:
        if value is None or value == "":
            return b""
        if isinstance(value, bool):
            return _boolean_cell(0x0205, 8, row, column, _PLAIN, value, 0)
        if isinstance(value, int | Number):
            number = cell_number(value)
            if isinstance(number, float):
                return _number_cell(0x0203, 14, row, column, _PLAIN, number)
            value = number
        return _text_cell(0x00FD, 10, row, column, _PLAIN, self._texts.add(value))

    def close(self) -> None:
        self._cells.close()
        self._texts.file.close()

    def save(self) -> None:
        self._end_sheet()
        self._texts.finish()
        with self._path.open("wb") as file:
            names = [sheet_name(number).encode() for number in range(1, len(self._sheets) + 1)]
            heads = [self._sheet_head(rows) for rows, _ in self._sheets]
            tails = [_sheet_tail(number) for number in range(len(self._sheets))]
            at = len(_GLOBALS) + sum(len(_sheet_place(0, name)) for name in names)
            at += self._texts.size + len(_END)
            compound.begin(file)
            file.write(_GLOBALS)
            for name, head, tail, (_, size) in zip(names, heads, tails, self._sheets, strict=True):
                file.write(_sheet_place(at, name))
                at += len(head) + size + len(tail)
            shutil.copyfileobj(self._texts.file, file)
            file.write(_END)
            self._cells.seek(0)
            for head, tail, (_, size) in zip(heads, tails, self._sheets, strict=True):
                file.write(head)
                while size:
                    piece = self._cells.read(min(size, 2**18))
                    file.write(piece)
                    size -= len(piece)
                file.write(tail)
            compound.finish(file)

    def _sheet_head(self, rows: int) -> bytes:
        dimensions = struct.pack("<IIHHH", 0, rows, 0, len(self._keys), 0)
        return _begin(0x0010) + _record(0x0200, dimensions)


def _sheet_place(at: int, name: bytes) -> bytes:
    return _record(0x0085, struct.pack("<IBBBB", at, 0, 0, len(name), 0) + name)


def _sheet_tail(number: int) -> bytes:
    """The view, with the first row frozen."""
    shown = 0x00BE if number else 0x02BE  # the first sheet is selected
    view = _record(0x023E, struct.pack("<HHHHHHHI", shown, 0, 0, 0x40, 0, 0, 0, 0))
    return view + _record(0x0041, struct.pack("<5H", 0, 1, 1, 0, 2)) + _END


class _Texts:
    """The table of texts in a file: a record and its continuations."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("w+b")
        self.size = 0
        self._numbers: dict[str, int] = {}
        self._count = 0
        self._kind = _SST
        self._body = bytearray(8)  # the counts, written at the end

    def add(self, text: str) -> int:
        """The number of the text."""
        number = self._numbers.get(text)
        if number is None:
            number = self._count
            self._count += 1
            if len(text) <= _REMEMBERED_CHARACTERS:
                if len(self._numbers) >= _REMEMBERED_TEXTS:
                    self._numbers.clear()
                self._numbers[text] = number
            self._append(cell_text(text))
        return number

    def _append(self, text: str) -> None:
        wide, data = 0, b""
        try:
            data = text.encode("latin-1")
        except UnicodeEncodeError:
            wide, data = 1, text.encode("utf-16-le", "replace")
        entry = struct.pack("<HB", len(data) >> wide, wide) + data
        if len(self._body) + len(entry) > _RECORD_BYTES:
            self._flush()
        # a text that is longer than a record goes on after a byte that says again whether it is
        # wide; the heads have 3 bytes and 1 byte, so no character is divided
        while len(entry) > _RECORD_BYTES:
            part = _RECORD_BYTES - wide
            self._body += entry[:part]
            self._flush()
            entry = bytes([wide]) + entry[part:]
        self._body += entry

    def _flush(self) -> None:
        self.size += self.file.write(_record(self._kind, bytes(self._body)))
        self._kind = _CONTINUE
        self._body.clear()

    def finish(self) -> None:
        """Write the rest and the counts; the position is then the beginning."""
        self._flush()
        self.file.seek(4)
        self.file.write(struct.pack("<II", self._count, self._count))
        self.file.seek(0)
