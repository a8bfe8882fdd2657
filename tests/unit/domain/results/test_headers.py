from __future__ import annotations

import json
import re

import pytest

from fyke.domain.results.headers import data_id, headers_from_rows, with_id, with_undeclared
from fyke.model.results import Header, Row


def row(data: bytes, position: int = 1) -> Row:
    return Row("run", position, "a", data)


def test_ids_are_64_hex_digits_and_unique():
    ids = {data_id(run, position) for run in ("a", "b") for position in range(1, 500)}
    assert len(ids) == 998
    assert all(re.fullmatch("[0-9a-f]{64}", i) for i in ids)
    assert data_id("a", 1) == data_id("a", 1)


@pytest.mark.parametrize(
    "data",
    [b"{}", b'{"a":1}', b'{"a":{"b":[]},"c":12345678901234567890.10}', '{"ключ":"é"}'.encode()],
)
def test_the_id_is_the_last_member_and_the_rest_is_unchanged(data: bytes):
    spliced = with_id(row(data, 7))
    assert spliced.startswith(data[:-1])
    fields = json.loads(spliced)
    assert list(fields)[-1] == "__coreclaw_data_id__"
    assert fields.pop("__coreclaw_data_id__") == data_id("run", 7)
    assert fields == json.loads(data)


def test_columns_are_derived_in_the_order_first_seen_by_type_of_value():
    rows = [
        row(b'{"t":"x","n":null,"i":-5,"f":1.5,"e":1e3}'),
        row(b'{"b":true,"l":[1],"o":{"k":1},"n":7,"t":9,"f2":false}'),
        row(b'{"z":null}'),
    ]
    assert headers_from_rows(rows) == [
        Header("t", "t", "text"),
        Header("n", "n", "integer"),
        Header("i", "i", "integer"),
        Header("f", "f", "number"),
        Header("e", "e", "number"),
        Header("b", "b", "boolean"),
        Header("l", "l", "array"),
        Header("o", "o", "object"),
        Header("f2", "f2", "boolean"),
        Header("z", "z", "text"),
    ]
    assert headers_from_rows([]) == []


def test_undeclared_keys_of_rows_follow_the_declared_columns() -> None:
    declared = [Header("Name", "name", "text"), Header("Price", "price", "number")]
    rows = [row(b'{"b":1,"name":"x"}'), row(b'{"a":"y"}')]
    assert with_undeclared(declared, rows) == [
        *declared,
        Header("b", "b", "integer"),
        Header("a", "a", "text"),
    ]
