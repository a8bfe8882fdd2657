from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.results.query.model import RowForm
from fyke.domain.results.query.shape import Shape
from fyke.model.results import Header
from support.exports import dump, rows_of


def convert(data: bytes, *fields: str, clean: bool = False, flatten: bool = False) -> str:
    return Shape(RowForm(fields, clean, flatten)).apply(data).decode()


ROW = b'{"a":{"b":1.50,"c":{"d":"x"}},"e":[{"f":1}],"g":"","h":null,"a.z":7}'


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        (("e", "g"), '{"e":[{"f":1}],"g":""}'),
        (("a.b",), '{"a":{"b":1.50}}'),
        (("a.c.d", "h", "a.b"), '{"a":{"c":{"d":"x"},"b":1.50},"h":null}'),
        (("a", "a.b"), '{"a":{"b":1.50,"c":{"d":"x"}}}'),
        (("a.b", "a"), '{"a":{"b":1.50,"c":{"d":"x"}}}'),
        (("a.z",), '{"a.z":7}'),
        (("nothing", "e.f", "g.h"), "{}"),
    ],
)
def test_fields(fields: tuple[str, ...], found: str) -> None:
    assert convert(ROW, *fields) == found


def test_flatten_replaces_objects_by_their_members_but_not_arrays() -> None:
    assert convert(ROW, flatten=True) == (
        '{"a.b":1.50,"a.c.d":"x","e":[{"f":1}],"g":"","h":null,"a.z":7}'
    )
    assert convert(b'{"a":{},"b":{"c":{}}}', flatten=True) == '{"a":{},"b.c":{}}'
    assert convert(ROW, "a.c", "a.z", flatten=True) == '{"a.c.d":"x","a.z":7}'


def test_clean_drops_empty_values_at_any_depth_of_objects() -> None:
    row = b'{"a":{"b":null,"c":{"d":""}},"e":[],"f":{},"g":0,"h":false,"i":[null],"j":" "}'
    assert convert(row, clean=True) == '{"g":0,"h":false,"i":[null],"j":" "}'
    assert convert(row, clean=True, flatten=True) == '{"g":0,"h":false,"i":[null],"j":" "}'


def test_clean_leaves_out_empty_rows() -> None:
    rows = rows_of({"a": None}, {"a": 1}, {})
    assert [row.position for row in Shape(RowForm(clean=True)).rows(rows)] == [2]
    assert [row.position for row in Shape(RowForm(("b",))).rows(rows)] == [1, 2, 3]


def test_dotted_names_add_a_bounded_number_of_bytes() -> None:
    deep: Any = {f"k{n}": n for n in range(2000)}
    for _ in range(60):
        deep = {"name" * 250: deep}
    data = dump(deep)
    assert len(convert(data, flatten=True)) < len(data) + 3 * 2**20


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab.", max_size=2), inner),
    max_leaves=6,
)


def cleaned(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {key: cleaned(member) for key, member in value.items()}
    return {
        k: v for k, v in inner.items() if not (v is None or (v in ("", [], {}) and v is not False))
    }


@given(st.dictionaries(st.text(max_size=2), JSON, max_size=4))
def test_clean_agrees_with_a_short_reference_implementation(value: dict[str, Any]) -> None:
    assert json.loads(convert(dump(value), clean=True)) == cleaned(value)


def names(form: RowForm, declared: list[str], *rows: dict[str, Any]) -> list[str]:
    shape = Shape(form)
    given = [Header(key.upper(), key, "text") for key in declared]
    return [h.key for h in shape.headers(given, shape.rows(rows_of(*rows)))]


def test_headers_follow_the_form() -> None:
    row = {"a": {"b": 1, "c": 2}, "d": 3}
    assert names(RowForm(("d", "a.b")), ["a", "d"]) == ["d", "a"]
    assert names(RowForm(("d", "a.b", "x"), flatten=True), ["a", "d"], row) == ["d", "a.b", "x"]
    assert names(RowForm(flatten=True), ["a", "d"], row) == ["a.b", "a.c", "d"]
    assert names(RowForm(flatten=True), ["a", "d"], row, {"a": 1}) == ["a", "a.b", "a.c", "d"]
    assert names(RowForm(clean=True), ["a", "d"], row) == ["a", "d"]


def test_a_declared_header_keeps_its_label_and_format() -> None:
    declared = [Header("Price", "price", "number")]
    assert Shape(RowForm(("price",))).headers(declared, []) == declared
