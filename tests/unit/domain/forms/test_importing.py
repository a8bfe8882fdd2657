"""Lists imported from files, and the errors of unreadable files."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.domain.forms.describe import describe
from fyke.domain.forms.importing import ImportChoice, import_file
from fyke.domain.forms.model import FormField
from fyke.domain.forms.tables import MAX_BYTES, MAX_ROWS
from fyke.errors import FykeError
from support.xlsx import book


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


def read(name: str, data: bytes, to: FormField | None = None, **choice: str) -> Any:
    found = import_file(to or field(), name, data, ImportChoice(**choice))
    assert not found.errors, found.errors
    return found.value


def test_every_line_of_a_text_file_is_an_entry() -> None:
    assert read("list.txt", b"a\r\n\r\n b \nc, d") == [
        {"url": "a"},
        {"url": " b "},
        {"url": "c, d"},
    ]
    assert read("list.txt", "\ufeffé\n".encode(), field(editor="stringList")) == ["é"]
    assert read("list.txt", "漢\n".encode("utf-16")) == [{"url": "漢"}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_list_is_filled_from_one_column_of_a_csv_file(delimiter: str) -> None:
    data = f'id{delimiter}URL\n1{delimiter}"a{delimiter}b"\n2{delimiter}"c ""d"""\n'.encode()
    assert read("x.csv", data) == [{"url": f"a{delimiter}b"}, {"url": 'c "d"'}]
    assert read("x.csv", data, column="id") == [{"url": "1"}, {"url": "2"}]
    assert read("x.csv", data, column="1") == [{"url": "1"}, {"url": "2"}]


def test_columns_of_a_file_are_matched_by_their_titles() -> None:
    data = b"depth,note,address\n1,x,a\n2,y,b\n"
    assert read("x.csv", data, ROWS) == [{"url": "a", "depth": 1}, {"url": "b", "depth": 2}]
    assert read("x.csv", b"a,1\nb,2\n", ROWS) == [
        {"url": "a", "depth": 1},
        {"url": "b", "depth": 2},
    ]


def test_an_error_in_a_file_names_its_line() -> None:
    found = import_file(ROWS, "x.csv", b"url,depth\na,1\n\n,2\nc,1x\n", ImportChoice())
    assert [(e.line, e.column) for e in found.errors] == [(4, "url"), (5, "depth")]
    assert 'line 5, "Depth" must be a whole number' in found.errors[1].message


def test_a_sheet_of_a_workbook_fills_a_list() -> None:
    data = book(["url", "depth"], ["a", 1])
    assert read("x.xlsx", data) == [{"url": "a"}]
    assert read("x.xlsx", data, ROWS) == [{"url": "a", "depth": 1}]
    assert read("x.xlsx", data, sheet="Second") == [{"url": "other"}]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("x.txt", b"", "is empty"),
        ("x.txt", b"a\nb\xff", "line 2 of the file is not UTF-8 text"),
        ("x.txt", b"a\0b", "NUL"),
        ("x.csv", b'a,b\n"c,d\n', "line 2"),
        ("x.csv", b'a\n"c"d\n', "line 2 of the file is not valid CSV"),
        ("x.csv", b"," * 300 + b"x", "line 1 of the file: more than 200 columns"),
        ("x.txt", b"a\n" * (MAX_ROWS + 1), "more than 10,000 rows"),
        ("x.txt", b"a\n" + b"x" * 40_000, "line 2 of the file: column 1 has more than 32,767"),
        ("x.txt", b"x" * (MAX_BYTES + 1), "more than 5 MiB"),
        ("x.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old format (XLS)"),
        ("x.xlsx", b"PK\x03\x04 and so on", "damaged or not an XLSX"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_an_unreadable_file_is_refused_with_position_and_reason(
    name: str, data: bytes, words: str
) -> None:
    with pytest.raises(FykeError) as refused:
        import_file(field(), name, data, ImportChoice())
    assert words in refused.value.message


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"column": "price"}, 'no column "price"; its titles are: url'),
        ({"column": "9"}, 'no column "9"'),
        ({"sheet": "Third"}, 'no sheet "Third"; its sheets are: Sheet1, Second'),
    ],
)
def test_an_unknown_column_or_sheet_is_refused(choice: dict[str, str], words: str) -> None:
    with pytest.raises(FykeError) as refused:
        import_file(field(), "x.xlsx", book(["url"], ["a"]), ImportChoice(**choice))
    assert words in refused.value.message


def test_only_lists_are_filled_from_files() -> None:
    with pytest.raises(FykeError, match="is not a list"):
        import_file(field(editor="textarea", type="string"), "x.txt", b"a", ImportChoice())
