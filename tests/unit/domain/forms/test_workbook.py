"""Cells of XLSX files as text, and how a damaged or hostile file is refused."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.forms import workbook
from fyke.domain.forms.workbook import read_workbook
from fyke.errors import FykeError
from support.examples import examples
from support.xlsx import book, book_with, hand_made

PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=20)
BOMB = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><sst><si><t>&a;</t></si></sst>'


def test_a_workbook_is_read_as_text() -> None:
    data = book(
        ["url", "depth"], ["a", 1], ["b", 2.5], [12345678901, True], ["", ""],
        [datetime(2026, 11, 24), datetime(2026, 11, 24, 8, 30)], ["=1+1", "x"],
    )  # fmt: skip
    table = read_workbook(data)
    assert table.rows[:4] == [["url", "depth"], ["a", "1"], ["b", "2.5"], ["12345678901", "true"]]
    assert table.rows[4] == ["2026-11-24", "2026-11-24 08:30:00"]
    assert table.lines == [1, 2, 3, 4, 6, 7]
    assert read_workbook(data, "Second").rows == [["other"]]


@examples(20)
@given(st.lists(st.lists(PLAIN, min_size=1, max_size=4), min_size=1, max_size=5))
def test_every_text_of_a_workbook_is_read_unchanged(rows: list[list[str]]) -> None:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_urls": False}) as made:
        sheet = made.add_worksheet()
        for r, row in enumerate(rows):
            for c, text in enumerate(row):
                sheet.write_string(r, c, text)
    expected = [row for row in rows if any(text.strip() for text in row)]
    assert read_workbook(out.getvalue()).rows == expected


def test_dates_count_from_the_epoch_of_the_workbook() -> None:
    data = book([datetime(2026, 11, 24)], date_1904=True)
    assert read_workbook(data).rows == [["2026-11-24"]]


def test_only_numbers_with_a_date_format_are_dates() -> None:
    styles = (
        '<numFmts><numFmt numFmtId="170" formatCode="0.0 &quot;days&quot;"/>'
        '<numFmt numFmtId="171" formatCode="[Red]yy\\-mm"/></numFmts><cellStyleXfs><xf/>'
        '</cellStyleXfs><cellXfs><xf numFmtId="14"/><xf numFmtId="170"/><xf numFmtId="171"/>'
        '<xf numFmtId="1"/></cellXfs><cellStyles><xf numFmtId="14"/></cellStyles>'
    )
    cells = "".join(f'<c s="{style}"><v>46350</v></c>' for style in ("0", "1", "2", "3", "4", ""))
    rows = f'<row>{cells}<c s="0"><v>many</v></c><c s="0"><v>9e99</v></c></row>'
    assert read_workbook(hand_made(rows, styles=styles)).rows == [
        ["2026-11-24", "46350", "2026-11-24", "46350", "46350", "46350", "many", "9e99"]
    ]


def cells_shown(code: str, *values: str, name: str = "170") -> list[str]:
    """What is read of numbers in this format."""
    styles = (
        f'<numFmts><numFmt numFmtId="170" formatCode="{code}"/></numFmts>'
        f'<cellXfs><xf numFmtId="{name}"/></cellXfs>'
    )
    cells = "".join(f'<c s="0"><v>{value}</v></c>' for value in values)
    return read_workbook(hand_made(f"<row>{cells}</row>", styles=styles)).rows[0]


def test_the_first_days_of_1900_are_those_that_a_spreadsheet_shows() -> None:
    assert cells_shown("yyyy-mm-dd", "1", "59", "60", "61", "59.5", "60.5") == [
        "1900-01-01",
        "1900-02-28",
        "1900-02-29",
        "1900-03-01",
        "1900-02-28 12:00:00",
        "1900-02-29 12:00:00",
    ]


@pytest.mark.parametrize(
    ("code", "values", "shown"),
    [
        ("h:mm", ["0.5", "0", "0.999"], ["12:00:00", "00:00:00", "23:58:34"]),
        ("[$-409]h:mm\\ AM/PM;@", ["0.75"], ["18:00:00"]),
        ("mm:ss.0", ["0.25"], ["06:00:00"]),
        ("[h]:mm:ss", ["1.5", "0.25", "-0.5"], ["36:00:00", "06:00:00", "-12:00:00"]),
        ("yyyy-mm-dd hh:mm", ["0.5", "46350.5"], ["12:00:00", "2026-11-24 12:00:00"]),
        ("h:mm", ["46350.5"], ["2026-11-24 12:00:00"]),
        ("mmmm", ["46350"], ["2026-11-24"]),
    ],
)
def test_a_cell_with_only_a_time_is_a_time(code: str, values: list[str], shown: list[str]) -> None:
    assert cells_shown(code, *values) == shown


@pytest.mark.parametrize(
    ("built_in", "shown"), [("20", "12:00:00"), ("46", "12:00:00"), ("1", "0.5"), ("49", "0.5")]
)
def test_the_built_in_formats_of_times_are_known(built_in: str, shown: str) -> None:
    assert cells_shown("", "0.5", name=built_in) == [shown]


def test_escaped_characters_of_a_text_are_read() -> None:
    strings = "<si><t>a_x000D_\nb</t></si><si><t>_x005F_x000D_ _xD83D__xDE00_ _xD83D_</t></si>"
    rows = (
        '<row><c t="s"><v>0</v></c><c t="s"><v>1</v></c>'
        '<c t="inlineStr"><is><t>_x0041_</t></is></c><c t="str"><v>_x0042_</v></c></row>'
    )
    assert read_workbook(hand_made(rows, strings)).rows == [
        ["a\r\nb", "_x000D_ \U0001f600 \ufffd", "A", "B"]
    ]


def test_cells_and_rows_without_a_reference_follow_the_previous_one() -> None:
    rows = (
        '<row r="3"><c r="B3"><v>1</v></c><c><v>2</v></c></row><row><c r="AA4"><v>x</v></c></row>'
        '<row r="2"><c/><c t="b"><v>0</v></c></row>'
    )
    table = read_workbook(hand_made(rows))
    assert table.rows == [["", "false"], ["", "1", "2"], [*[""] * 26, "x"]]
    assert table.lines == [2, 3, 4]


def test_the_pieces_of_a_string_are_joined_without_phonetic_text() -> None:
    strings = (
        "<si><r><t>\u6771</t></r><r><t>\u4eac</t></r><rPh><t>\u30c8\u30a6</t></rPh></si>"
        "<si><t>b</t></si>"
    )
    rows = (
        '<row><c t="s"><v>0</v></c><c t="s"><v>1</v></c><c t="s"><v>2</v></c>'
        '<c t="inlineStr"><is><t>\u4eac</t><rPh><t>\u30c8</t></rPh></is></c></row>'
    )
    assert read_workbook(hand_made(rows, strings)).rows == [["\u6771\u4eac", "b", "", "\u4eac"]]


def test_a_sheet_without_its_part_does_not_exist() -> None:
    data = hand_made("<row><c><v>1</v></c></row>")
    assert read_workbook(data).rows == [["1"]]
    with pytest.raises(FykeError, match=r'no sheet "Gone"; its sheets are: A$'):
        read_workbook(data, "Gone")


def test_references_with_thousands_of_digits_are_ignored() -> None:
    long = "9" * 5000
    row = f'<row r="{long}"><c t="s"><v>{long}</v></c><c s="{long}"><v>1</v></c></row>'
    table = read_workbook(hand_made(row, strings="<si><t>a</t></si>"))
    assert (table.rows, table.lines) == ([["", "1"]], [1])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PK\x03\x04 and so on", "is damaged or not an XLSX workbook; save it again"),
        (book_with(sharedStrings_xml=BOMB), "document type or an entity"),
        (book_with(sheet1_xml=b"<worksheet><row>"), "sheet1.xml is not XML"),
        (book_with(workbook_xml=b"<workbook/>"), "has no sheet; save it again"),
        (
            hand_made('<row r="7"><c r="GS7"><v>1</v></c></row>'),
            "line 7 of the file: more",
        ),
    ],
    ids=["no ZIP", "entity", "no XML", "no sheet", "columns"],
)
def test_an_unreadable_workbook_is_refused_with_the_reason(data: bytes, words: str) -> None:
    with pytest.raises(FykeError) as refused:
        read_workbook(data)
    assert words in refused.value.message


def test_a_zip_of_other_files_is_not_a_workbook() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("main.py", "")
    with pytest.raises(FykeError, match="is not an XLSX workbook; save it again as XLSX or as CSV"):
        read_workbook(out.getvalue())


def test_the_size_of_an_inflated_part_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MAX_PART", 2**20)
    data = book_with(sharedStrings_xml=b" " * (2**20 + 1))
    assert len(data) < 20_000
    with pytest.raises(FykeError, match="more than 1 MiB in one part"):
        read_workbook(data)


def test_the_number_and_size_of_strings_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MAX_STRINGS", 2)
    row = '<row><c t="s"><v>0</v></c></row>'
    assert read_workbook(hand_made(row, "<si><t>a</t></si>" * 2)).rows == [["a"]]
    with pytest.raises(FykeError, match="more than 2 strings; split it"):
        read_workbook(hand_made(row, "<si><t>a</t></si>" * 3))
    monkeypatch.setattr(workbook, "MAX_PART", 3000)
    with pytest.raises(FykeError, match="too much text; save the needed columns"):
        read_workbook(hand_made(row * 40, f"<si><t>{'x' * 99}</t></si>"))
