from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.results.export import values as module
from fyke.domain.results.export.values import (
    Nested,
    Number,
    TableReader,
    read_row,
    text_of,
    without_forbidden,
)
from support.exports import block_of, dump, rows_of

DIGITS = "1234567890123456789012345678901234567890"


def test_every_number_keeps_its_digits():
    numbers = [DIGITS, "-" + DIGITS, "1.50", "1E5", "1e-7", "-0", "0", "-0.0", "9" * 4300]
    data = "{" + ",".join(f'"{i}":{n}' for i, n in enumerate(numbers)) + "}"
    assert [text_of(v) for v in read_row(data.encode()).values()] == numbers


def test_a_minus_zero_inside_text_is_unchanged():
    assert read_row(b'{"a":"x:-0","b":0,"c":-0}') == {"a": "x:-0", "b": 0, "c": "-0"}


def test_objects_and_arrays_are_their_json_text():
    row = read_row(b'{"o":{"b":1.10,"a":[]},"l":[%s,"\\u00e9"],"x":1.5}' % DIGITS.encode())
    assert row["o"] == '{"b":1.10,"a":[]}' and type(row["o"]) is Nested
    assert row["l"] == f'[{DIGITS},"\\u00e9"]'
    assert type(row["x"]) is Number


def test_plain_values_as_text():
    row = read_row(b'{"n":null,"t":true,"f":false,"s":"","i":-7}')
    assert [text_of(value) for value in row.values()] == ["", "true", "false", "", "-7"]
    assert list(row) == ["n", "t", "f", "s", "i"]


text = st.text(st.characters(exclude_categories=["Cs"]))
plain = st.none() | st.booleans() | st.integers() | text
values = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(text, values, max_size=5))
def test_rows_can_be_restored_from_their_values(row):
    read = read_row(dump(row))
    assert list(read) == list(row)
    for key, value in row.items():
        if isinstance(value, dict | list):
            assert json.loads(read[key]) == value
        else:
            assert read[key] == value and type(read[key]) is type(value)


def cells(keys, rows):
    """The cells of each row."""
    some = TableReader(keys).columns(block_of(rows))
    return [list(row) for columns in some for row in zip(*columns, strict=True)]


@given(
    st.lists(st.dictionaries(text | st.sampled_from(["a", "b", '"']), values, max_size=5)),
    st.lists(text | st.sampled_from(["a", "b", '"']), unique=True, min_size=1, max_size=4),
    st.integers(1, 9),
)
def test_cells_are_the_values_of_the_columns(rows, keys, at_once):
    data = rows_of(*rows, b'{"a":-0,"b":{"x":1.50}}', b'{"b":-0.5,"a":0}', b'{"a":1.50,"b":"-0"}')
    expected = [[read_row(row.data).get(key) for key in keys] for row in data]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CELLS_AT_ONCE", at_once)
        found = cells(keys, data)
    assert found == expected
    assert [[type(v) for v in cells] for cells in found] == [
        [type(v) for v in cells] for cells in expected
    ]


def test_a_table_with_thousands_of_columns_is_read():
    keys = [f"column {n}" for n in range(16_384)]
    rows = rows_of({keys[-1]: 1, keys[0]: "x"}, {keys[5]: [2]})
    first, second = cells(keys, rows)
    assert len(first) == len(second) == 16_384
    assert (first[0], first[-1], first[5], second[5], second[0]) == ("x", 1, None, "[2]", None)


def test_characters_that_xml_forbids_are_dropped():
    assert without_forbidden("a\x00\x0b\x1f\ufffe\uffff\ud800b\t\n\r\x7f\U0001f600") == (
        "ab\t\n\r\x7f\U0001f600"
    )
