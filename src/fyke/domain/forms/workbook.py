"""Reads the cells of one sheet of an XLSX file as text.

The standard library suffices, because only cell values are needed: a ZIP whose parts are inflated
up to a limit, and XML without a document type or entities. Formulas are not evaluated; the file
contains their last values.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from xml.parsers import expat

from fyke.domain.forms.tables import MAX_COLUMNS, Table, bounded, refuse

MAX_PARTS = 2000
MAX_PART = 60 * 2**20  # bytes of one part, inflated
MAX_STRINGS = 500_000
_STEP = 2**16
_CELL = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_QUOTED = re.compile(r'"[^"]*"|\\.')
_BRACKETED = re.compile(r"\[[^\]]*\]")
_ELAPSED = re.compile(r"\[(h+|m+|s+)\]")
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
# Day 0 of dates from 1 March 1900, or from 1904. Before, days are counted from one day later,
# because spreadsheets treat 1900 as a leap year: day 60 is a 29 February that did not exist.
_DAY_ZERO, _DAY_ZERO_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)
_LEAP_DAY = 60


class _Shows(Enum):
    """How a cell style shows a number."""

    NUMBER = "number"
    DATE = "date"
    TIME = "time"  # a time of day
    ELAPSED = "elapsed"  # hours, minutes or seconds, of any number


_BUILT_IN = {
    **dict.fromkeys([*range(14, 18), 22], _Shows.DATE),
    **dict.fromkeys([*range(18, 22), 45, 47], _Shows.TIME),
    46: _Shows.ELAPSED,
}

Attributes = dict[str, str]
Start = Callable[[str, Attributes], None]
End = Callable[[str, str], None]


def read_workbook(data: bytes, sheet: str = "") -> Table:
    """Return the cells of ``sheet``, ``""`` for the first. Raise ``InvalidRequest``."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _Workbook(archive).table(sheet)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError, OSError):
        rule = "is damaged or not an XLSX workbook; save it again as XLSX or as CSV"
        raise refuse(rule) from None


class _Workbook:
    """The parts of a workbook needed to read a sheet."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names = frozenset(archive.namelist())
        self._day_zero = _DAY_ZERO
        if len(self._names) > MAX_PARTS:
            raise refuse(f"has more than {MAX_PARTS:,} parts; save the sheet alone as XLSX or CSV")

    def table(self, sheet: str) -> Table:
        sheets = self._sheets()
        if not sheets:
            raise refuse("has no sheet; save it again as XLSX or as CSV")
        name = sheet or next(iter(sheets))
        if name not in sheets:
            names = ", ".join(list(sheets)[:10])
            raise refuse(f'has no sheet "{name[:80]}"; its sheets are: {names}')
        reader = _SheetReader(self._strings(), self._styles(), self._day_zero)
        self._parse(sheets[name], reader.start, reader.end)
        return bounded(reader.rows())

    def _sheets(self) -> dict[str, str]:
        """The path of each sheet by name, in order."""
        targets: dict[str, str] = {}
        sheets: dict[str, str] = {}

        def relation(tag: str, attributes: Attributes) -> None:
            if tag == "Relationship":
                target = attributes.get("Target", "")
                path = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
                targets[attributes.get("Id", "")] = path

        def entry(tag: str, attributes: Attributes) -> None:
            if tag == "workbookPr" and attributes.get("date1904") in ("1", "true"):
                self._day_zero = _DAY_ZERO_1904
            path = targets.get(attributes.get("id", ""), "")
            if tag == "sheet" and path in self._names:
                sheets.setdefault(attributes.get("name", ""), path)

        self._parse("xl/_rels/workbook.xml.rels", relation)
        self._parse("xl/workbook.xml", entry)
        return sheets

    def _strings(self) -> list[str]:
        strings: list[str] = []
        pieces: list[str] = []

        def end(tag: str, text: str) -> None:
            if tag == "t":
                pieces.append(text)
            elif tag == "rPh":  # phonetic text: its <t> is not part of the value
                del pieces[-1:]
            elif tag == "si":
                strings.append(_unescaped("".join(pieces)))
                pieces.clear()
                if len(strings) > MAX_STRINGS:
                    raise refuse(f"has more than {MAX_STRINGS:,} strings; split it")

        self._parse("xl/sharedStrings.xml", None, end, optional=True)
        return strings

    def _styles(self) -> list[_Shows]:
        """How each cell style shows a number."""
        formats: dict[str, _Shows] = {}
        styles: list[_Shows] = []
        in_cell_formats = False

        def start(tag: str, attributes: Attributes) -> None:
            nonlocal in_cell_formats
            if tag == "numFmt":
                code = attributes.get("formatCode", "")
                formats[attributes.get("numFmtId", "")] = _shows(code)
            elif tag == "cellXfs":
                in_cell_formats = True
            elif tag == "xf" and in_cell_formats:
                number = attributes.get("numFmtId", "0")
                built_in = _BUILT_IN.get(_index(number) or 0, _Shows.NUMBER)
                styles.append(formats.get(number, built_in))

        def end(tag: str, text: str) -> None:
            nonlocal in_cell_formats
            if tag == "cellXfs":
                in_cell_formats = False

        self._parse("xl/styles.xml", start, end, optional=True)
        return styles

    def _parse(
        self, path: str, start: Start | None = None, end: End | None = None, optional: bool = False
    ) -> None:
        """Call ``start`` with name and attributes of each element, ``end`` with name and text."""
        if path not in self._names:
            if optional:
                return
            raise refuse("is not an XLSX workbook; save it again as XLSX or as CSV")
        parser: Any = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        text: list[str] = []

        def opened(tag: str, attributes: Attributes) -> None:
            text.clear()
            if start is not None:
                start(_local(tag), {_local(name): value for name, value in attributes.items()})

        def closed(tag: str) -> None:
            if end is not None:
                end(_local(tag), "".join(text))
            text.clear()

        parser.StartElementHandler = opened
        parser.EndElementHandler = closed
        parser.CharacterDataHandler = text.append
        parser.StartDoctypeDeclHandler = _no_doctype
        parser.EntityDeclHandler = _no_doctype
        try:
            for piece in self._inflated(path):
                parser.Parse(piece, False)
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise refuse(f"is damaged: {path} is not XML ({error}); save it again") from None

    def _inflated(self, path: str) -> Iterator[bytes]:
        left = MAX_PART
        with self._archive.open(path) as part:
            while piece := part.read(_STEP):
                left -= len(piece)
                if left < 0:
                    size = MAX_PART // 2**20
                    raise refuse(f"has more than {size} MiB in one part; save the sheet as CSV")
                yield piece


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def _no_doctype(*_: object) -> None:
    raise refuse("contains a document type or an entity, which XLSX does not allow; save it again")


class _SheetReader:
    """Collects the cells of a sheet."""

    def __init__(self, strings: list[str], styles: list[_Shows], day_zero: datetime) -> None:
        self._strings = strings
        self._styles = styles
        self._day_zero = day_zero
        self._rows: dict[int, dict[int, str]] = {}
        self._row = 0
        self._column = 0
        self._type = ""
        self._style = ""
        self._value: list[str] = []
        self._read = 0

    def start(self, tag: str, attributes: Attributes) -> None:
        if tag == "row":
            number = _index(attributes.get("r", ""))
            self._row = self._row + 1 if number is None else number
            self._column = 0
        elif tag == "c":
            match = _CELL.fullmatch(attributes.get("r", ""))
            self._column = _column_number(match[1]) if match else self._column + 1
            self._type, self._style = attributes.get("t", "n"), attributes.get("s", "")
            self._value.clear()

    def end(self, tag: str, text: str) -> None:
        if tag in ("v", "t"):
            self._value.append(text)
        elif tag == "rPh":
            del self._value[-1:]
        elif tag == "c" and self._value:
            if self._column > MAX_COLUMNS:
                rule = f"more than {MAX_COLUMNS} columns; remove those not needed"
                raise refuse(rule, self._row)
            text = self._as_text("".join(self._value))
            self._rows.setdefault(self._row, {})[self._column] = text
            self._count(len(text))

    def _count(self, size: int) -> None:
        self._read += size
        if self._read > MAX_PART:
            raise refuse("has too much text; save the needed columns as CSV")

    def _as_text(self, value: str) -> str:
        if self._type == "s":
            index = _index(value)
            if index is None or index >= len(self._strings):
                return ""
            return self._strings[index]
        if self._type == "b":
            return "true" if value == "1" else "false"
        if self._type != "n":
            return _unescaped(value)
        style = _index(self._style)
        known = style is not None and style < len(self._styles)
        return _number(value, self._styles[style or 0] if known else _Shows.NUMBER, self._day_zero)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        for number in sorted(self._rows):
            cells = self._rows[number]
            yield number, [cells.get(column, "") for column in range(1, max(cells) + 1)]


def _index(text: str) -> int | None:
    """The integer, None for a text of other than 1 to 9 digits."""
    return int(text) if text.isdecimal() and len(text) <= 9 else None


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _shows(code: str) -> _Shows:
    """How a format code such as ``dd/mm/yyyy`` shows a number. Its ``m`` means minutes next to
    hours or seconds, otherwise months.
    """
    code = _QUOTED.sub("", code).lower()
    if _ELAPSED.search(code):
        return _Shows.ELAPSED
    code = _BRACKETED.sub("", code)
    if re.search("[yd]|mmm", code):
        return _Shows.DATE
    if re.search("[hs]", code):
        return _Shows.TIME
    return _Shows.DATE if "m" in code else _Shows.NUMBER


def _unescaped(text: str) -> str:
    """The text with its escapes decoded: XLSX writes characters that XML forbids as ``_x000D_``.
    An escape is a UTF-16 unit, so a character may need two.
    """
    if "_x" not in text:
        return text
    text = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _number(value: str, shows: _Shows, day_zero: datetime) -> str:
    """The number of a cell as its style shows it: a number, date, time of day or elapsed time."""
    if shows is _Shows.NUMBER:
        return value
    try:
        days = float(value)
        if shows is _Shows.ELAPSED or 0 < days < 1 or (days == 0 and shows is _Shows.TIME):
            return _time(timedelta(days=days))
        return _date(days, day_zero)
    except (ValueError, OverflowError):
        return value


def _time(span: timedelta) -> str:
    sign = "-" if span < timedelta() else ""
    minutes, seconds = divmod(round(abs(span).total_seconds()), 60)
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"


def _date(days: float, day_zero: datetime) -> str:
    """A spreadsheet's day number as a date, with the time when there is one."""
    days += 0.5 / 86_400  # the nearest second
    early = day_zero is _DAY_ZERO and 0 <= days < _LEAP_DAY
    moment = (day_zero + timedelta(days=days + early)).replace(microsecond=0)
    day = moment.date().isoformat()
    if day_zero is _DAY_ZERO and int(days) == _LEAP_DAY:
        day = "1900-02-29"
    return day if moment.time() == datetime.min.time() else f"{day} {moment.time()}"
