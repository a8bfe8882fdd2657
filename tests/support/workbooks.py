"""Reads workbooks, independently of the libraries that wrote them.

XLSX is a ZIP of XML files. XLS is a compound file whose stream contains BIFF8 records. Only the
records of a plain table are supported here; any other content is an error.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
from xml.etree import ElementTree

Cell = str | float | bool
Sheet = dict[tuple[int, int], Cell]

_NS = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_ESCAPE = re.compile("_x([0-9A-F]{4})_")


def read_xlsx(data: bytes) -> dict[str, Sheet]:
    """Return the sheets by name; cells by (row, column) from zero."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
        names = [sheet.attrib["name"] for sheet in book.iter(f"{_NS}sheet")]
        return {
            name: _xlsx_sheet(archive.read(f"xl/worksheets/sheet{number}.xml"))
            for number, name in enumerate(names, 1)
        }


def xlsx_parts(data: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.namelist()


def _xlsx_sheet(xml: bytes) -> Sheet:
    sheet: Sheet = {}
    for cell in ElementTree.fromstring(xml).iter(f"{_NS}c"):
        assert cell.find(f"{_NS}f") is None, "a formula"
        sheet[_position(cell.attrib["r"])] = _xlsx_value(cell)
    return sheet


def _position(reference: str) -> tuple[int, int]:
    letters, digits = re.fullmatch("([A-Z]+)([0-9]+)", reference).groups()
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter) - 64
    return int(digits) - 1, column - 1


def _xlsx_value(cell: ElementTree.Element) -> Cell:
    kind = cell.attrib.get("t", "n")
    if kind == "inlineStr":
        text = "".join(node.text or "" for node in cell.iter(f"{_NS}t"))
        return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
    value = cell.findtext(f"{_NS}v")
    if kind == "b":
        return value == "1"
    assert kind == "n"
    return float(value)


def read_xls(data: bytes) -> dict[str, Sheet]:
    """Return the sheets by name; cells by (row, column) from zero."""
    stream = workbook_stream(data)
    names: list[str] = []
    texts: list[str] = []
    sheets: list[Sheet] = []
    places: list[int] = []
    shared: list[bytes] = []
    for at, kind, body in _records(stream):
        if kind == 0x0085:  # BOUNDSHEET
            names.append(_short_text(body[6:]))
            places.append(struct.unpack_from("<I", body)[0])
        elif kind in (0x00FC, 0x003C):  # SST, CONTINUE
            assert not sheets
            shared.append(body)
        elif kind == 0x0809 and struct.unpack_from("<H", body, 2)[0] == 0x0010:  # BOF of a sheet
            texts = _shared_texts(shared)
            assert at == places[len(sheets)]
            sheets.append({})
        elif sheets:
            _read_cell(kind, body, sheets[-1], texts)
    assert len(names) == len(sheets)
    return dict(zip(names, sheets, strict=True))


def workbook_stream(data: bytes) -> bytes:
    assert data[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "no compound file"
    tables = list(struct.unpack_from("<109i", data, 76))
    sector, count = struct.unpack_from("<iI", data, 68)
    for _ in range(count):
        *named, sector = struct.unpack_from("<128i", data, 512 * (sector + 1))
        tables += named
    assert sector == -2
    chain: list[int] = []
    for number in tables:
        if number >= 0:
            chain += struct.unpack_from("<128i", data, 512 * (number + 1))
    directory = _stream(data, chain, struct.unpack_from("<i", data, 48)[0])
    for at in range(0, len(directory), 128):
        length = struct.unpack_from("<H", directory, at + 64)[0]
        name = directory[at : at + max(0, length - 2)].decode("utf-16-le")
        if name == "Workbook":
            start, size = struct.unpack_from("<iI", directory, at + 116)
            return _stream(data, chain, start)[:size]
    raise AssertionError("no workbook inside")


def _stream(data: bytes, chain: list[int], sector: int) -> bytes:
    pieces = []
    while sector >= 0:
        pieces.append(data[512 * (sector + 1) : 512 * (sector + 2)])
        sector = chain[sector]
    return b"".join(pieces)


def _records(stream: bytes):
    at = 0
    while at + 4 <= len(stream):
        kind, length = struct.unpack_from("<HH", stream, at)
        assert length <= 8224
        if kind == 0 and length == 0:
            return
        yield at, kind, stream[at + 4 : at + 4 + length]
        at += 4 + length


def _short_text(body: bytes) -> str:
    length, wide = body[0], body[1] & 1
    return body[2 : 2 + length * (1 + wide)].decode("utf-16-le" if wide else "latin-1")


def _shared_texts(records: list[bytes]) -> list[str]:
    """The texts of a record and its continuations."""
    texts: list[str] = []
    total, count = struct.unpack_from("<II", records[0])
    assert total == count
    index, at = 0, 8
    for _ in range(count):
        if at == len(records[index]):
            index, at = index + 1, 0
        length, wide = struct.unpack_from("<HB", records[index], at)
        at, text = at + 3, ""
        while True:
            part = records[index][at : at + (length << wide)]
            assert not wide or len(part) % 2 == 0, "a divided character"
            text += part.decode("utf-16-le" if wide else "latin-1", "surrogatepass")
            at, length = at + len(part), length - (len(part) >> wide)
            if not length:
                break
            index, at, wide = index + 1, 1, records[index + 1][0]
        texts.append(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le"))
    assert (index, at) == (len(records) - 1, len(records[-1]))
    return texts


def _read_cell(kind: int, body: bytes, sheet: Sheet, texts: list[str]) -> None:
    assert kind not in (0x0006, 0x0221), "a formula"
    if kind not in (0x00FD, 0x0203, 0x027E, 0x00BD, 0x0205):
        return
    row, column = struct.unpack_from("<HH", body)
    if kind == 0x00FD:  # LABELSST
        sheet[row, column] = texts[struct.unpack_from("<I", body, 6)[0]]
    elif kind == 0x0203:  # NUMBER
        sheet[row, column] = struct.unpack_from("<d", body, 6)[0]
    elif kind == 0x027E:  # RK
        sheet[row, column] = _rk(struct.unpack_from("<i", body, 6)[0])
    elif kind == 0x00BD:  # MULRK
        for index in range((len(body) - 6) // 6):
            sheet[row, column + index] = _rk(struct.unpack_from("<i", body, 6 + 6 * index)[0])
    else:  # BOOLERR
        sheet[row, column] = body[6] == 1


def _rk(coded: int) -> float:
    if coded & 2:
        value = float(coded >> 2)
    else:
        value = struct.unpack("<d", struct.pack("<q", (coded & ~3) << 32))[0]
    return value / 100 if coded & 1 else value
