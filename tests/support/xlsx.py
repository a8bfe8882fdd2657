"""XLSX workbooks as test data: from a library, with parts replaced, or with parts made by hand."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from typing import Any

import xlsxwriter


def book(*rows: list[Any], name: str = "Sheet1", **options: Any) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True, **options}) as workbook:
        sheet = workbook.add_worksheet(name)
        day = workbook.add_format({"num_format": "dd/mm/yyyy"})
        for r, row in enumerate(rows):
            for c, value in enumerate(row):
                if isinstance(value, datetime):
                    sheet.write_datetime(r, c, value, day)
                else:
                    sheet.write(r, c, value)
        workbook.add_worksheet("Second").write(0, 0, "other")
    return out.getvalue()


def book_with(**changed: bytes) -> bytes:
    """A workbook with some of its parts replaced."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(book(["a"]))) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(
                name, changed.get(name.rpartition("/")[2].replace(".", "_"), old.read(name))
            )
    return out.getvalue()


RELATIONS = (
    '<Relationships><Relationship Id="r1" Target="worksheets/sheet1.xml"/>'
    '<Relationship Id="r2" Target="/xl/worksheets/gone.xml"/></Relationships>'
)
SHEETS = (
    '<workbook xmlns:r="urn:r"><sheets><sheet name="Gone" r:id="r2"/>'
    '<sheet name="A" r:id="r1"/></sheets></workbook>'
)


def hand_made(rows: str, strings: str = "", styles: str = "") -> bytes:
    """A workbook of the given XML; the part of its first sheet is missing."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("xl/_rels/workbook.xml.rels", RELATIONS)
        archive.writestr("xl/workbook.xml", SHEETS)
        archive.writestr("xl/worksheets/sheet1.xml", f"<worksheet>{rows}</worksheet>")
        if strings:
            archive.writestr("xl/sharedStrings.xml", f"<sst>{strings}</sst>")
        if styles:
            archive.writestr("xl/styles.xml", f"<styleSheet>{styles}</styleSheet>")
    return out.getvalue()
