from __future__ import annotations

import io
import re
import struct
import zipfile
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.forms.workbook import read_workbook
from fyke.domain.results.export import compound, xls, xlsx
from fyke.domain.results.export.cells import CUT_MARK, cell_number, cell_text
from fyke.domain.results.export.meta import ExportMeta
from fyke.domain.results.export.values import Nested, Number
from fyke.model.results import Header, RowBlock
from support.examples import examples
from support.exports import RUN, block_of, exported, headers, rows_of
from support.workbooks import read_xls, read_xlsx, workbook_stream, xlsx_parts

pytestmark = pytest.mark.anyio

READERS = {"xlsx": read_xlsx, "xls": read_xls}
META = ExportMeta(RUN, "Prices", 1773383784438)


@pytest.fixture(params=["xlsx", "xls"])
def kind(request) -> str:
    return request.param


async def sheet_of(kind: str, *values, columns=None):
    sheets = READERS[kind](await exported(kind, rows_of(*values), columns))
    assert list(sheets) == ["Results"]
    return sheets["Results"]


async def test_values_keep_their_types(kind: str):
    sheet = await sheet_of(
        kind,
        b'{"t":"text","i":-42,"f":1.50,"y":true,"n":false,"x":null,"l":[1,{"a":1.10}],"e":""}',
        b'{"f":1E5,"z":"late"}',
    )
    keys = ["t", "i", "f", "y", "n", "x", "l", "e", "z"]
    assert [sheet[0, c] for c in range(9)] == keys
    expected = {0: "text", 1: -42, 2: 1.5, 3: True, 4: False, 6: '[1,{"a":1.10}]'}
    assert {c: sheet[1, c] for c in range(9) if sheet.get((1, c), "") != ""} == expected
    assert {c: v for (r, c), v in sheet.items() if r == 2} == {2: 100000, 8: "late"}


async def test_numbers_that_no_spreadsheet_can_represent_are_text(kind: str):
    numbers = [
        "999999999999999",
        "-999999999999999",
        "1000000000000000",
        "1234567890123456789012345678901234567890",
        "1e400",
        "1e-400",
        "0.0",
        "-0",
        "0.1",
        "9.95",
    ]
    sheet = await sheet_of(kind, *[b'{"n":%s}' % n.encode() for n in numbers])
    texts = numbers[2:6]
    for row, number in enumerate(numbers, 1):
        assert sheet[row, 0] == (number if number in texts else float(number))


async def test_texts_are_never_formulas_links_or_markup(kind: str):
    texts = [
        "=1+1",
        "{=1}",
        "+49 176 123",
        "-1",
        "@x",
        "https://example.com",
        "mailto:a@example.com",
        "internal:Sheet!A1",
        "<r></is></c><c r='Z9'><f>1+1</f></c><r></r>",
        "<r><t>rich</t></r>",
        "_x0041_",
        "a\nb\tc",
        " kept ",
        "ünï✓ 😀",
    ]
    sheet = await sheet_of(kind, *[{"t": t} for t in texts])
    assert [sheet[row, 0] for row in range(1, len(texts) + 1)] == texts


async def test_xlsx_contains_control_characters_and_no_links():
    data = await exported("xlsx", rows_of({"=k": "a\x00\x1f\r\ufffe"}, {"=k": "http://a.example"}))
    sheet = read_xlsx(data)["Results"]
    assert sheet == {(0, 0): "=k", (1, 0): "a\x00\x1f\r\ufffe", (2, 0): "http://a.example"}
    assert not any("rels" in part and "sheet" in part for part in xlsx_parts(data))


@pytest.mark.parametrize("length", [32_766, 32_767, 32_768, 100_000])
async def test_cells_are_cut_and_marked(kind: str, length: int):
    text = (await sheet_of(kind, {"t": "x" * length}))[1, 0]
    assert len(text) == min(length, 32_767)
    assert text.endswith(CUT_MARK) == (length > 32_767)


async def test_xls_texts_of_every_length_are_continued_in_other_records(monkeypatch):
    monkeypatch.setattr(xls, "_REMEMBERED_TEXTS", 3)
    texts = [c * n for n in (*range(4100, 4120), *range(8200, 8240), 30_000) for c in "xü✓"]
    texts += ["a", "b", "c", "d", "a", "b", "😀" * 5000]
    sheet = await sheet_of("xls", *[{"t": text} for text in texts])
    assert [sheet[row, 0] for row in range(1, len(texts) + 1)] == texts


async def test_an_xls_stores_a_repeated_text_once():
    data = await exported("xls", rows_of(*[{"t": f"text {n % 3}"} for n in range(500)]))
    assert data.count(b"text 1") == 1


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 7_000_000, 7_100_000, 17_000_000])
def test_a_compound_file_contains_its_stream(size: int, tmp_path):
    content = bytes(range(251)) * (size // 251 + 1)
    with (tmp_path / "file").open("w+b") as file:
        compound.begin(file)
        file.write(content[:size])
        compound.finish(file)
    stream = workbook_stream((tmp_path / "file").read_bytes())
    assert stream[:size] == content[:size]
    assert not any(stream[size:]) and len(stream) - size <= 4096


def test_cells_are_cut_by_utf16_units_without_halving_a_character():
    emoji = "😀"
    assert cell_text(emoji * 16_383) == emoji * 16_383
    cut = cell_text(emoji * 16_384)
    assert cut == emoji * 16_380 + CUT_MARK
    assert len(cut.encode("utf-16-le")) // 2 <= 32_767


def test_numbers_beyond_the_precision_are_text():
    assert cell_number(Number("2.675")) == 2.675
    assert cell_number(10**15) == str(10**15)
    assert cell_number(Number("1e999")) == "1e999"
    assert cell_number(Number("1e-9999999999999999999")) == "1e-9999999999999999999"
    assert cell_number(Number("-0.0E99999999999999999999")) == 0


def written(kind: str, columns: list[Header], blocks: list[RowBlock], folder: Path, **options):
    if kind == "xlsx":
        writer = xlsx.XlsxWriter(columns, META, **options)
        return b"".join([writer.head(), *map(writer.page, blocks), writer.tail()])
    with closing(xls.XlsBook(folder / "book", columns, **options)) as book:
        for block in blocks:
            book.add(block)
        book.save()
    return (folder / "book").read_bytes()


@pytest.mark.parametrize("page", [1, 2, 5, 100])
@pytest.mark.parametrize(("rows", "sheets"), [(0, 1), (3, 1), (4, 2), (6, 2), (7, 3)])
def test_a_full_sheet_is_followed_by_another(
    kind: str, rows: int, sheets: int, page: int, tmp_path
):
    numbers = rows_of(*[{"i": i} for i in range(rows)])
    blocks = [block_of(numbers[at : at + page]) for at in range(0, rows, page)]
    read = READERS[kind](written(kind, headers("i"), blocks, tmp_path, sheet_rows=4))
    assert list(read) == ["Results", "Results 2", "Results 3"][:sheets]
    values = [v for sheet in read.values() for (r, _), v in sorted(sheet.items()) if r]
    assert values == list(range(rows))
    assert all(sheet[0, 0] == "i" for sheet in read.values())


def test_a_header_is_stored_once_in_an_xls_of_many_sheets(tmp_path):
    blocks = [block_of(rows_of(*[{"i": i} for i in range(60)]))]
    columns = headers("i", "k" * 10_000)
    assert len(written("xls", columns, blocks, tmp_path, sheet_rows=3)) < 2 * 10_000 + 50_000


def test_a_sheet_ends_where_its_xml_would_need_zip64(monkeypatch, tmp_path):
    monkeypatch.setattr(xlsx, "_SHEET_BYTES", 2000)
    blocks = [block_of(rows_of({"t": "x" * 900}))] * 5
    read = read_xlsx(written("xlsx", headers("t"), blocks, tmp_path))
    assert [len(sheet) for sheet in read.values()] == [3, 3, 2]


def test_the_limits_of_the_formats_are_the_default():
    assert (xlsx.XLSX_ROWS, xls.XLS_ROWS) == (1_048_576, 65_536)


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


@pytest.mark.slow
async def test_an_xls_of_many_rows_goes_through_its_temporary_file():
    rows = [b'{"i":%d,"t":"x"}' % i for i in range(2500)]
    sheet = await sheet_of("xls", *rows)
    assert [sheet[r, 0] for r in range(1, 2501)] == list(range(2500))


async def test_an_xls_is_a_compound_file_with_one_biff8_stream():
    data = await exported("xls", rows_of({"a": 1}))
    assert data[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    assert struct.unpack_from("<HHH", data, 512) == (0x0809, 16, 0x0600)


async def test_headers_that_are_not_valid_unicode_do_not_break_the_file(kind: str):
    sheet = await sheet_of(kind, {"a": 1}, columns=headers("\ud800", "a"))
    assert (sheet[0, 0], sheet[1, 1]) == ("?", 1)


async def test_a_book_without_columns(kind: str):
    assert await sheet_of(kind, {}, {}) == {}
