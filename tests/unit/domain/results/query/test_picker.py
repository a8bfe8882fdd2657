"""Members of a row by name or by path."""

from __future__ import annotations

import json

import pytest

from fyke.domain.results.query.picker import Picker

ROW = b'{"a":{"b":{"c":1.50},"n":null},"a.b":"whole","l":[{"x":1}],"t":"text"}'


@pytest.mark.parametrize(
    ("field", "token"),
    [("t", b'"text"'), ("a.b", b'"whole"'), ("a.b.c", b"1.50"), ("a.n", b"null"),
     ("a.n.x", None), ("a.x", None), ("t.x", None), ("l.0", None), ("l.x", None), ("x", None)],
)  # fmt: skip
def test_a_field_is_a_name_or_a_path_into_objects(field: str, token: bytes | None) -> None:
    assert Picker([field])(ROW) == [token]


def test_each_field_keeps_its_position_even_when_requested_twice() -> None:
    assert Picker(["t", "x", "t", "a.b.c"])(ROW) == [b'"text"', None, b'"text"', b"1.50"]


def test_a_name_written_with_escapes_is_the_same_name() -> None:
    assert Picker(["price"])(b'{"pri\\u0063e":2}') == [b"2"]


@pytest.mark.parametrize("name", ['"', "\\", "\n", 'a"b'])
def test_names_with_json_escapes_are_found(name: str) -> None:
    row = json.dumps({name: {"x": 1}, "plain": 2}).encode()
    assert Picker([f"{name}.x", "plain"])(row) == [b"1", b"2"]


def test_names_that_are_not_valid_unicode_are_in_no_row() -> None:
    assert Picker(["\ud800", "plain"])(b'{"plain":2}') == [None, b"2"]


@pytest.mark.parametrize(
    "fields", [["t", "a.b.c", "a.b"], ['"', "t"], [f"f{n}" for n in range(300)]]
)
def test_columns_are_the_fields_of_each_row(fields: list[str]) -> None:
    rows = [ROW, b"{}", b'{"t":null,"a":{"b":{"c":[1]}},"\\"":5,"f299":1}']
    columns = Picker(fields).columns(b"[%s]" % b",".join(rows))
    found = [[token and bytes(token) for token in column] for column in columns]
    assert found == [list(column) for column in zip(*map(Picker(fields), rows), strict=True)]


def test_python_keywords_are_valid_field_names() -> None:
    assert Picker(["class", "m0", "__init__", "self"])(
        b'{"self":4,"__init__":3,"m0":2,"class":1}'
    ) == [b"1", b"2", b"3", b"4"]
