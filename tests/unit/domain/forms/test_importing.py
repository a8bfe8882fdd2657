"""Lists from files: what is read, and how a file that cannot be read is refused."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import datetime
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.forms import workbook
from fyke.domain.forms.describe import describe
from fyke.domain.forms.importing import ImportChoice, import_file
from fyke.domain.forms.model import FormField
from fyke.domain.forms.tables import MAX_BYTES, MAX_ROWS
from fyke.domain.forms.workbook import read_workbook
from fyke.errors import FykeError
from support.examples import examples


def field(**more: Any) -> FormField:
    item = {"name": "urls", "editor": "requestList", "type": "array", **more}
    return describe(json.dumps({"properties": [item]})).fields["urls"]


ROWS = field(
    editor="requestListSource",
    param_list=[
        {"param": "url", "title": "Address", "required": True},
        {"param": "depth", "title": "Depth", "type": "integer", "editor": "number"},
    ],
)


PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=20)


def read(name: str, data: bytes, to: FormField | None = None, **choice: str) -> Any:
    found = import_file(to or field(), name, data, ImportChoice(**choice))
    assert not found.errors, found.errors
    return found.value


def book(*rows: list[Any], name: str = "Sheet1") -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as made:
        sheet = made.add_worksheet(name)
        day = made.add_format({"num_format": "dd/mm/yyyy"})
        for r, row in enumerate(rows):
            for c, value in enumerate(row):
                if isinstance(value, datetime):
                    sheet.write_datetime(r, c, value, day)
                else:
                    sheet.write(r, c, value)
        made.add_worksheet("Second").write(0, 0, "other")
    return out.getvalue()


def test_a_text_file_is_one_entry_a_line() -> None:
    assert read("list.txt", b"a\r\n\r\n b \nc, d") == [
        {"url": "a"},
        {"url": " b "},
        {"url": "c, d"},
    ]
    assert read("list.txt", "\ufeffé\n".encode(), field(editor="stringList")) == ["é"]
    assert read("list.txt", "漢\n".encode("utf-16")) == [{"url": "漢"}]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_column_of_a_csv_file(mark: str) -> None:
    data = f'id{mark}URL\n1{mark}"a{mark}b"\n2{mark}"c ""d"""\n'.encode()
    assert read("x.csv", data) == [{"url": f"a{mark}b"}, {"url": 'c "d"'}]
    assert read("x.csv", data, column="id") == [{"url": "1"}, {"url": "2"}]
    assert read("x.csv", data, column="1") == [{"url": "1"}, {"url": "2"}]


def test_the_rows_of_a_file_go_by_their_titles() -> None:
    data = b"depth,note,address\n1,x,a\n2,y,b\n"
    assert read("x.csv", data, ROWS) == [{"url": "a", "depth": 1}, {"url": "b", "depth": 2}]
    assert read("x.csv", b"a,1\nb,2\n", ROWS) == [
        {"url": "a", "depth": 1},
        {"url": "b", "depth": 2},
    ]


def test_a_fault_in_a_file_names_its_line() -> None:
    found = import_file(ROWS, "x.csv", b"url,depth\na,1\n\n,2\nc,1x\n", ImportChoice())
    assert [(e.line, e.column) for e in found.errors] == [(4, "url"), (5, "depth")]
    assert 'line 5, "Depth" must be a whole number' in found.errors[1].message


def test_a_workbook_is_read_as_text() -> None:
    data = book(
        ["url", "depth"], ["a", 1], ["b", 2.5], [12345678901, True], ["", ""],
        [datetime(2026, 11, 24), datetime(2026, 11, 24, 8, 30)], ["=1+1", "x"],
    )  # fmt: skip
    table = read_workbook(data)
    assert table.rows[:4] == [["url", "depth"], ["a", "1"], ["b", "2.5"], ["12345678901", "true"]]
    assert table.rows[4] == ["2026-11-24", "2026-11-24 08:30:00"]
    assert table.lines == [1, 2, 3, 4, 6, 7]
    assert read("x.xlsx", data)[0] == {"url": "a"}
    assert read("x.xlsx", data, sheet="Second") == [{"url": "other"}]


@examples(20)
@given(st.lists(st.lists(PLAIN, min_size=1, max_size=4), min_size=1, max_size=5))
def test_every_text_of_a_workbook_comes_back(rows: list[list[str]]) -> None:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_urls": False}) as made:
        sheet = made.add_worksheet()
        for r, row in enumerate(rows):
            for c, text in enumerate(row):
                sheet.write_string(r, c, text)
    wanted = [row for row in rows if any(text.strip() for text in row)]
    assert read_workbook(out.getvalue()).rows == wanted


def parts(**changed: bytes) -> bytes:
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


BOMB = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><sst><si><t>&a;</t></si></sst>'


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("x.txt", b"", "is empty"),
        ("x.txt", b"a\nb\xff", "line 2 of the file is no UTF-8 text"),
        ("x.txt", b"a\0b", "NUL"),
        ("x.csv", b'a,b\n"c,d\n', "line 2"),
        ("x.csv", b'a\n"c"d\n', "line 2 of the file is not valid CSV"),
        ("x.csv", b"," * 300 + b"x", "line 1 of the file: more than 200 columns"),
        ("x.txt", b"a\n" * (MAX_ROWS + 1), "more than 10,000 rows"),
        ("x.txt", b"a\n" + b"x" * 40_000, "line 2 of the file: column 1 has more than 32,767"),
        ("x.txt", b"x" * (MAX_BYTES + 1), "more than 5 MiB"),
        ("x.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old kind (XLS)"),
        ("x.xlsx", b"PK\x03\x04 and so on", "damaged or no XLSX"),
        ("x.xlsx", parts(sharedStrings_xml=BOMB), "document type or an entity"),
        ("x.xlsx", parts(sheet1_xml=b"<worksheet><row>"), "is no XML"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_file_that_cannot_be_read_says_where_and_why(name: str, data: bytes, words: str) -> None:
    with pytest.raises(FykeError) as refused:
        import_file(field(), name, data, ImportChoice())
    assert words in refused.value.message


def test_no_part_is_inflated_beyond_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MAX_PART", 2**20)
    data = parts(sharedStrings_xml=b" " * (2**20 + 1))
    assert len(data) < 20_000
    with pytest.raises(FykeError, match="more than 1 MiB in one part"):
        import_file(field(), "x.xlsx", data, ImportChoice())


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"column": "price"}, 'no column "price"; its titles are: url'),
        ({"column": "9"}, 'no column "9"'),
        ({"sheet": "Third"}, 'no sheet "Third"; there are: Sheet1, Second'),
    ],
)
def test_a_column_or_sheet_that_is_not_there(choice: dict[str, str], words: str) -> None:
    with pytest.raises(FykeError) as refused:
        import_file(field(), "x.xlsx", book(["url"], ["a"]), ImportChoice(**choice))
    assert words in refused.value.message


def test_only_lists_are_filled_from_files() -> None:
    with pytest.raises(FykeError, match="is no list"):
        import_file(field(editor="textarea", type="string"), "x.txt", b"a", ImportChoice())
