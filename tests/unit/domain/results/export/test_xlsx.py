from __future__ import annotations

import io
import re
import zipfile
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.forms.workbook import read_workbook
from fyke.domain.results.export import xlsx
from fyke.domain.results.export.values import Nested, Number
from support.books import written
from support.examples import examples
from support.exports import block_of, exported, headers, rows_of
from support.workbooks import read_xlsx, xlsx_parts

pytestmark = pytest.mark.anyio


async def test_xlsx_contains_control_characters_and_no_links():
    data = await exported("xlsx", rows_of({"=k": "a\x00\x1f\r\ufffe"}, {"=k": "http://a.example"}))
    sheet = read_xlsx(data)["Results"]
    assert sheet == {(0, 0): "=k", (1, 0): "a\x00\x1f\r\ufffe", (2, 0): "http://a.example"}
    assert not any("rels" in part and "sheet" in part for part in xlsx_parts(data))


def test_a_sheet_ends_where_its_xml_would_need_zip64(monkeypatch, tmp_path):
    monkeypatch.setattr(xlsx, "_SHEET_BYTES", 2000)
    blocks = [block_of(rows_of({"t": "x" * 900}))] * 5
    read = read_xlsx(written("xlsx", headers("t"), blocks, tmp_path))
    assert [len(sheet) for sheet in read.values()] == [3, 3, 2]


TEXTS = ["", "a", " a", "a ", "a  b", "a\nb", "<", "&amp;", ">", "_x0041_", "_x", "\x00", "\ud7ff"]


TEXTS += ["\u00a0", "\ufffe", "😀" * 16_384, "x" * 16_384, "]]>", "\r", "\u2028", '"']


NUMBERS = [0, -1, 10**14, 10**15, -(10**15), Number("1.50"), Number("-0"), Number("1e3")]


NUMBERS += [Number("1E400"), Number("0.1234567890123456789")]


@examples(300)
@given(
    st.lists(st.none() | st.sampled_from([*TEXTS, Nested("[1]")]), min_size=1, max_size=6)
    | st.lists(st.none() | st.sampled_from(NUMBERS), min_size=1, max_size=6)
    | st.lists(st.sampled_from([None, True, False, 1, "1", Number("1.0")]), min_size=1, max_size=6)
)
def test_the_cells_of_a_column_are_those_of_its_values(column: list):
    numbers = [str(n) for n in range(1, len(column) + 1)]
    fast = xlsx._cells("A", column, numbers)
    plain = [xlsx._cell(f"A{n}", value) for n, value in zip(numbers, column, strict=True)]
    assert [_meaning(cell) for cell in fast] == [_meaning(cell) for cell in plain]


def _meaning(cell: str):
    """The cell, with a number as a number: its digits may differ."""
    number = re.fullmatch('<c r="(A[0-9]+)"><v>(.*)</v></c>', cell)
    return (number[1], float(number[2])) if number else cell


async def test_an_xlsx_is_dated_by_its_run_only():
    data = await exported("xlsx", rows_of({"a": 1}))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {part.date_time[:3] for part in archive.infolist()} == {(1980, 1, 1)}
        assert b">2026-03-13T06:36:24Z<" in archive.read("docProps/core.xml")


async def test_the_parts_of_an_xlsx_name_each_other():
    with zipfile.ZipFile(io.BytesIO(await exported("xlsx", rows_of({"a": 1})))) as archive:
        types = ElementTree.fromstring(archive.read("[Content_Types].xml"))
        named = {item.attrib["PartName"].lstrip("/") for item in types if "PartName" in item.attrib}
        assert named == {name for name in archive.namelist() if name.endswith(".xml")} - {
            "[Content_Types].xml"
        }
        for name, folder in (("_rels/.rels", ""), ("xl/_rels/workbook.xml.rels", "xl/")):
            for item in ElementTree.fromstring(archive.read(name)):
                assert folder + item.attrib["Target"] in named


async def test_an_xlsx_is_read_as_the_value_of_a_field():
    table = read_workbook(await exported("xlsx", rows_of({"t": " <a>\r", "n": 1.5, "b": True})))
    assert table.rows == [["t", "n", "b"], [" <a>\r", "1.5", "true"]]
