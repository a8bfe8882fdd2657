"""Parses tables of text: cells pasted from a spreadsheet, CSV files and text files.

All sizes are limited, and errors name the line to correct.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from fyke.errors import InvalidRequest

MAX_BYTES = 5 * 2**20
MAX_ROWS = 10_000
MAX_COLUMNS = 200
MAX_CELL = 32_767  # characters; the limit of spreadsheets

_DELIMITERS = ",;\t|"
_FILE = "the file"
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells as text; ``lines`` has the 1-based source line of each row."""

    rows: list[list[str]]
    lines: list[int]


def refuse(rule: str, line: int = 0, source: str = _FILE) -> InvalidRequest:
    """Return the error for a text that cannot be used."""
    return InvalidRequest(rule, field=f"line {line} of {source}" if line else source)


def bounded(rows: Iterable[tuple[int, list[str]]], source: str = _FILE) -> Table:
    """Return the rows that are not blank. Raise ``InvalidRequest`` beyond the limits."""
    table = Table([], [])
    for line, row in rows:
        if not any(cell.strip() for cell in row):
            continue
        if len(table.rows) >= MAX_ROWS:
            rule = f"has more than {MAX_ROWS:,} rows; split it into smaller files"
            raise refuse(rule, source=source)
        if len(row) > MAX_COLUMNS:
            rule = f"more than {MAX_COLUMNS} columns; remove those not needed"
            raise refuse(rule, line, source)
        for number, cell in enumerate(row, 1):
            if len(cell) > MAX_CELL:
                rule = f"column {number} has more than {MAX_CELL:,} characters; shorten it"
                raise refuse(rule, line, source)
        table.rows.append(row)
        table.lines.append(line)
    return table


def read_text_file(data: bytes, *, delimited: bool) -> Table:
    """Return the cells of a CSV file, or the lines of a text file. Raise ``InvalidRequest``."""
    text = _decoded(data)
    if delimited:
        return bounded(_delimited(text, _delimiter(text)))
    if "\t" in text.partition("\n")[0]:
        return pasted(text)
    return bounded((n, [line]) for n, line in enumerate(text.splitlines(), 1))


def pasted(text: str, source: str = _FILE) -> Table:
    """Return cells copied from a spreadsheet: lines, with tabs between columns."""
    return bounded(_delimited(text.replace("\r\n", "\n"), "\t", source), source)


def _decoded(data: bytes) -> str:
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise refuse('is not UTF-8 text; save it as "CSV UTF-8" or as Unicode text', line) from None
    if "\0" in text:
        raise refuse("contains NUL characters, so it is not text; save it as CSV, TXT or XLSX")
    return text


def _delimiter(text: str) -> str:
    """The delimiter that is most frequent in the first line, outside quotes."""
    head = text.partition("\n")[0]
    outside = "".join(head.split('"')[::2])
    return max(_DELIMITERS, key=outside.count)


def _delimited(text: str, delimiter: str, source: str = _FILE) -> Iterable[tuple[int, list[str]]]:
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=delimiter != "\t"
    )
    line = 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            rule = f"is not valid CSV ({error}); put values with quotes in quotes, each quote twice"
            raise refuse(rule, reader.line_num, source) from None
        yield line, row
        line = reader.line_num + 1
