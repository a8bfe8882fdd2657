from __future__ import annotations

import json

import pytest
from starlette.datastructures import QueryParams

from fyke.console.pages import run_rows
from fyke.errors import InvalidFields
from fyke.model.results import Header, Row


def test_formatted_json_keeps_every_digit() -> None:
    data = b'{"a":1.10,"b":123456789012345678901234567890.0,"c":[-0,1e400]}'
    shown = run_rows.pretty(data)
    for digits in ("1.10", "123456789012345678901234567890.0", "-0", "1e400"):
        assert digits in shown
    assert shown.count("\n") > 4
    assert run_rows.pretty(b"not json") == "not json"


def test_a_page_of_large_rows_has_fewer_rows() -> None:
    assert run_rows.page_size(0, 0) == 50
    assert run_rows.page_size(1_000_000, 10**9) == 50
    assert run_rows.page_size(10, 10 * 2**20) == 2
    assert run_rows.page_size(4, 20 * 2**20) == 1


def test_an_address_can_be_read_back() -> None:
    query = QueryParams("form=record&sort=-n&filter=a:eq:1&col=x&col=y&pin=x&wrap=1&page=3")
    address = run_rows.read(query)
    assert run_rows.read(QueryParams(address.with_(page=3)[1:])) == address
    assert run_rows.read(QueryParams(address.sorted_by("n")[1:])).sort == ""
    assert run_rows.read(QueryParams(address.without_filter("a:eq:1")[1:])).filters == ()
    assert run_rows.read(QueryParams(address.pinned("x")[1:])).pins == ()


def test_a_value_without_a_field_is_refused() -> None:
    with pytest.raises(InvalidFields, match=r"^filter: '' is not a field name"):
        run_rows.read(QueryParams("field=&op=eq&value=1")).query()
    assert run_rows.read(QueryParams("field=&op=eq&value=")).filters == ()


def test_pinned_columns_come_first_and_once() -> None:
    headers = [Header(key.upper(), key, "text") for key in "abc"]
    address = run_rows.read(QueryParams("pin=c&pin=new"))
    found = [column.key for column in run_rows.columns_of(address, headers)]
    assert found == ["c", "new", "a", "b"]


def test_cells_have_a_type_and_mark_cut_texts() -> None:
    row = {"t": "x" * 999, "n": 1.5, "f": True, "o": {"a": 1}, "z": None, "u": "https://a.example/"}
    columns = [Header(key, key, "text") for key in (*row, "gone")]
    [record] = run_rows.records([Row("r", 1, "a", json.dumps(row).encode())], "table", columns)
    cells = dict(record.cells)
    assert [cell.kind for cell in cells.values()] == [
        "text", "number", "flag", "nested", "none", "text", "absent",
    ]  # fmt: skip
    assert (cells["t"].cut, cells["t"].length, len(cells["t"].text)) == (True, 999, 300)
    assert cells["u"].link == "https://a.example/" and not cells["t"].link


def test_columns_of_numbers_and_new_columns_are_found() -> None:
    data = [{"n": 1, "t": "x", "m": 2}, {"n": None, "t": "y", "m": "?"}, {"n": 3, "new": 4}]
    columns = [Header(key, key, "text") for key in ("n", "t", "m", "new")]
    rows = [Row("r", at, "a", json.dumps(row).encode()) for at, row in enumerate(data, 1)]
    records = run_rows.records(rows, "table", columns)
    assert run_rows.number_columns(records) == {"n", "new"}
    assert [run_rows.has_more_columns(records, seen) for seen in (1, 2, 3)] == [True, True, False]
    assert not run_rows.has_more_columns(records[:2], 1)
