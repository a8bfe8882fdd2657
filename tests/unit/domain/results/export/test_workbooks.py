from __future__ import annotations

import pytest

from fyke.domain.results.export import compound, xls, xlsx
from fyke.domain.results.export.cells import CUT_MARK, cell_number, cell_text
from fyke.domain.results.export.meta import ExportMeta
from fyke.domain.results.export.values import Number
from support.books import written
from support.exports import RUN, block_of, exported, headers, rows_of
from support.workbooks import read_xls, read_xlsx, workbook_stream

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


@pytest.mark.parametrize("length", [32_766, 32_767, 32_768, 100_000])
async def test_cells_are_cut_and_marked(kind: str, length: int):
    text = (await sheet_of(kind, {"t": "x" * length}))[1, 0]
    assert len(text) == min(length, 32_767)
    assert text.endswith(CUT_MARK) == (length > 32_767)


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


def test_the_limits_of_the_formats_are_the_default():
    assert (xlsx.XLSX_ROWS, xls.XLS_ROWS) == (1_048_576, 65_536)


async def test_headers_that_are_not_valid_unicode_do_not_break_the_file(kind: str):
    sheet = await sheet_of(kind, {"a": 1}, columns=headers("\ud800", "a"))
    assert (sheet[0, 0], sheet[1, 1]) == ("?", 1)


async def test_a_book_without_columns(kind: str):
    assert await sheet_of(kind, {}, {}) == {}
