"""XLSX, written as a stream: the parts of the ZIP archive in an order that needs no look ahead.

Texts are stored in the sheets, so no table of strings grows with the rows, and the parts that
name the sheets come last. The cells of a column are rendered together, because to call several
functions for each cell takes three to five times as long.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import IO
from xml.sax.saxutils import escape

from fyke.domain.results.export.cells import (
    CELL_CHARACTERS,
    cell_number,
    cell_text,
    header_text,
    sheet_name,
)
from fyke.domain.results.export.meta import ExportMeta
from fyke.domain.results.export.values import Column, Nested, Number, TableReader, Value
from fyke.kit.zip_stream import StreamedZip, UnsentBytes
from fyke.model.results import Header, RowBlock

XLSX_ROWS = 1_048_576
_SHEET_BYTES = 2**31 - 2**28  # of XML; readers of larger parts need ZIP64, which few have
_LEVEL = 4  # of compression; 6 takes half as much time again for files 3 % smaller
_CELLS_AT_ONCE = 2**11  # more take more memory and save no time
_EXACT_DIGITS = 15

_DOCUMENT = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"

_CORE = (
    f'<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties"'
    ' xmlns:dcterms="http://purl.org/dc/terms/"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    '<dcterms:created xsi:type="dcterms:W3CDTF">{created}</dcterms:created></cp:coreProperties>'
)
_STYLES = (  # 0: plain, 1: bold
    f'<styleSheet xmlns="{_MAIN}"><fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts><fills count="2"><fill>'
    '<patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>'
    '</fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border>'
    '</borders><cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/>'
    '</cellStyleXfs><cellXfs count="2"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"'
    ' xfId="0"/><xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/>'
    '</cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/>'
    "</cellStyles></styleSheet>"
)
_SHEET = (
    f'<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1"'
    ' topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetData>'
)
_SHEET_END = b"</sheetData></worksheet>"

# All that XML forbids is written as _xHHHH_, and so are texts that look like that.
_SPECIAL = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_TEXTS = frozenset[type]((str, Nested, type(None)))
_NUMBERS = frozenset[type]((int, Number, type(None)))


class XlsxWriter:
    """Writes one XLSX file. Its bytes depend only on the rows and on the end of the run."""

    def __init__(
        self, columns: list[Header], meta: ExportMeta, *, sheet_rows: int = XLSX_ROWS
    ) -> None:
        self._keys = [column.key for column in columns]
        self._letters = [_letters(index) for index in range(len(columns))]
        self._read = TableReader(self._keys)
        self._at_once = max(1, _CELLS_AT_ONCE // max(1, len(columns)))
        self._created = datetime.fromtimestamp(meta.at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._sheet_rows = sheet_rows
        self._chunks = UnsentBytes()
        self._archive = StreamedZip(
            self._chunks,
            "w",
            zipfile.ZIP_DEFLATED,
            compresslevel=_LEVEL,
        )
        self._sheets = 0

    def head(self) -> bytes:
        self._part("docProps/core.xml", _CORE.format(created=self._created))
        self._part("xl/styles.xml", _STYLES)
        self._begin_sheet()
        return self._chunks.take()

    def page(self, block: RowBlock) -> bytes:
        if self._keys:
            for columns in self._read.columns(block):
                self._add(columns)
        return self._chunks.take()

    def tail(self) -> bytes:
        self._end_sheet()
        numbers = range(1, self._sheets + 1)
        self._part("xl/workbook.xml", _workbook(numbers))
        self._part("xl/_rels/workbook.xml.rels", _workbook_relations(numbers))
        self._part("_rels/.rels", _RELATIONS)
        self._part("[Content_Types].xml", _content_types(numbers))
        self._archive.close()
        return self._chunks.take()

    def _part(self, name: str, xml: str) -> None:
        with self._open(name) as part:
            part.write(_DOCUMENT + xml.encode())

    def _open(self, name: str) -> IO[bytes]:
        return self._archive.open(
            name, "w"
        )  # dated 1980, so that the same rows give the same bytes

    def _begin_sheet(self) -> None:
        self._sheets += 1
        self._sheet = self._open(f"xl/worksheets/sheet{self._sheets}.xml")
        keys = [_text_cell(f'{letters}1" s="1', header_text(key)) for letters, key in self._named()]
        head = f'{_SHEET}<row r="1">{"".join(keys)}</row>'.encode("utf-8", "replace")
        self._sheet.write(_DOCUMENT + head)
        self._row, self._size = 1, len(head)

    def _named(self) -> list[tuple[str, str]]:
        return list(zip(self._letters, self._keys, strict=True))

    def _end_sheet(self) -> None:
        self._sheet.write(_SHEET_END)
        self._sheet.close()

    def _add(self, columns: list[Column]) -> None:
        begin, count = 0, len(columns[0])
        while begin < count:
            if self._row >= self._sheet_rows or self._size > _SHEET_BYTES:
                self._end_sheet()
                self._begin_sheet()
            end = min(count, begin + self._at_once, begin + self._sheet_rows - self._row)
            part = columns if end - begin == count else [column[begin:end] for column in columns]
            numbers = list(map(str, range(self._row + 1, self._row + 1 + end - begin)))
            cells = map(_cells, self._letters, part, [numbers] * len(part))
            rows = zip(numbers, map("".join, zip(*cells, strict=True)), strict=True)
            xml = "".join([f'<row r="{n}">{row}</row>' for n, row in rows])
            data = xml.encode("utf-8", "replace")
            self._sheet.write(data)
            self._size += len(data)
            self._row += end - begin
            begin = end


def _cells(letters: str, column: Column, numbers: list[str]) -> Sequence[str]:
    """The cells of a column in the rows ``numbers``, "" where there is no value."""
    types = frozenset(map(type, column))
    if types == {type(None)}:
        return [""] * len(column)
    if types <= _TEXTS and _plain_texts(column):
        return [
            "" if text is None else f'<c r="{letters}{n}" t="inlineStr"><is><t>{text}</t></is></c>'
            for n, text in zip(numbers, column, strict=True)
        ]
    if types <= _NUMBERS and _plain_numbers(column):
        return [
            "" if number is None else f'<c r="{letters}{n}"><v>{number}</v></c>'
            for n, number in zip(numbers, column, strict=True)
        ]
    return [_cell(letters + n, value) for n, value in zip(numbers, column, strict=True)]


def _plain_texts(column: Column) -> bool:
    """Whether all texts can be written as they are, which one look at all of them shows."""
    texts: list[str] = [text for text in column if text]  # type: ignore[misc]
    joined = "<".join(texts)
    return not (
        joined.count("<") >= max(1, len(texts))
        or "&" in joined
        or ">" in joined
        or "_x" in joined
        or " <" in joined
        or "< " in joined
        or joined[:1] == " "
        or joined[-1:] == " "
        or not joined.isprintable()
        or max(map(len, texts), default=0) * 2 > CELL_CHARACTERS
    )


def _plain_numbers(column: Column) -> bool:
    """Whether all numbers can be written with their own digits."""
    digits = [str(number) for number in column if number is not None]
    joined = "".join(digits)
    return max(map(len, digits)) <= _EXACT_DIGITS and "e" not in joined and "E" not in joined


def _cell(position: str, value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c r="{position}" t="b"><v>{value:d}</v></c>'
    if isinstance(value, int | Number):
        number = cell_number(value)
        if isinstance(number, float):
            return f'<c r="{position}"><v>{number!r}</v></c>'
        value = number
    return _text_cell(position, cell_text(value))


def _text_cell(position: str, text: str) -> str:
    space = ' xml:space="preserve"' if text != text.strip() else ""
    escaped = escape(_SPECIAL.sub(lambda match: f"_x{ord(match[0]):04X}_", text))
    return f'<c r="{position}" t="inlineStr"><is><t{space}>{escaped}</t></is></c>'


def _letters(index: int) -> str:
    """A for 0, Z for 25, AA for 26."""
    letters = ""
    while index >= 0:
        letters = chr(65 + index % 26) + letters
        index = index // 26 - 1
    return letters


def _workbook(numbers: range) -> str:
    sheets = [f'<sheet name="{sheet_name(n)}" sheetId="{n}" r:id="rId{n}"/>' for n in numbers]
    return (
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><bookViews><workbookView/></bookViews>'
        f"<sheets>{''.join(sheets)}</sheets></workbook>"
    )


def _workbook_relations(numbers: range) -> str:
    relations = [(f"{_OFFICE}/worksheet", f"worksheets/sheet{n}.xml") for n in numbers]
    return _relations([*relations, (f"{_OFFICE}/styles", "styles.xml")])


def _relations(relations: list[tuple[str, str]]) -> str:
    items = [
        f'<Relationship Id="rId{number}" Type="{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(relations, 1)
    ]
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{"".join(items)}</Relationships>'


_RELATIONS = _relations(
    [
        (f"{_OFFICE}/officeDocument", "xl/workbook.xml"),
        (f"{_PACKAGE}/relationships/metadata/core-properties", "docProps/core.xml"),
    ]
)


def _content_types(numbers: range) -> str:
    parts = [
        ("docProps/core.xml", "application/vnd.openxmlformats-package.core-properties+xml"),
        ("xl/styles.xml", f"{_TYPE}.styles+xml"),
        ("xl/workbook.xml", f"{_TYPE}.sheet.main+xml"),
        *[(f"xl/worksheets/sheet{n}.xml", f"{_TYPE}.worksheet+xml") for n in numbers],
    ]
    overrides = [f'<Override PartName="/{name}" ContentType="{kind}"/>' for name, kind in parts]
    return (
        f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{"".join(overrides)}</Types>'
    )
