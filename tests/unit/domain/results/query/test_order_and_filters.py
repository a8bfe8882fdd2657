"""Sorting and filtering against an independent reference implementation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.results.query.matching import matcher_of
from fyke.domain.results.query.model import OPERATORS, FieldSelection, Filter, Sort
from fyke.domain.results.query.orders import _Builder
from fyke.domain.results.query.sorter import Sorter
from fyke.model.results import Row
from support import reference_order
from support.examples import examples
from support.exports import dump, rows_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    [
        "",
        "a",
        "A",
        "é",
        "e\u0301",
        "\u0000",
        "\u0000a",
        "😀",
        "\uffff",
        "10",
        "9",
        "x" * 600,
        "x" * 601,
    ]
)
DIGITS = st.sampled_from(
    [
        "0",
        "-0",
        "0.0",
        "1",
        "1.0",
        "10e-1",
        "-1",
        "9",
        "10",
        "1e2",
        "100",
        "9007199254740993",
        "9007199254740992",
        "123456789012345678901234567890123456789012",
        "-1.5",
        "-15e-1",
        "1e-300",
        "1e300",
        "-1e300",
        "0.1",
        "0.10000000000000000000000001",
        "-12",
        "-123",
        "12",
        "123",
    ]
)
NUMBER = DIGITS.map(reference_order.Number) | st.integers()
VALUE = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
NAMES = st.sampled_from(["a", "b", "a.b", "c", '"', "\u0001", "é"])
ROW = st.dictionaries(NAMES, VALUE | st.dictionaries(NAMES, VALUE, max_size=2), max_size=4)
FIELD = st.sampled_from(["a", "b", "a.b", "a.b.c", "c", '"', "é", "\u0001.b"])
WANTED = st.sampled_from(
    [
        "1",
        "1.0",
        "10",
        "9",
        "a",
        "A",
        "",
        "null",
        "true",
        "false",
        '"1"',
        '"',
        '"a',
        "-0",
        "1e2",
        "01",
        "é",
        "x",
        " 1",
        "\u0000",
        "0.1",
    ]
)


def test_rows_of_the_oracle_are_what_it_reads() -> None:
    assert (
        reference_order.text(reference_order.load(b'{"a":[1.50,1e2,"x"]}'))
        == b'{"a":[1.50,1e2,"x"]}'
    )


def positions(rows: list[Row], choice: FieldSelection, scratch: Path | None = None) -> list[int]:
    builder = _Builder(choice, 0, scratch)
    try:
        builder.take(rows)
        return list(builder.positions())
    finally:
        builder.close()


@examples(60, 400)
@given(st.lists(ROW, min_size=1, max_size=12), FIELD, st.booleans())
def test_the_order_is_that_of_the_oracle(values: list[dict], field: str, descending: bool) -> None:
    rows = rows_of(*(reference_order.text(value) for value in values))
    found = positions(rows, FieldSelection(Sort(field, descending)))
    assert found == reference_order.ordered(rows, field, descending=descending)


@examples(100, 400)
@given(ROW, FIELD, st.sampled_from(OPERATORS), WANTED)
def test_filters_mean_what_the_oracle_says(
    value: dict, field: str, operator: str, wanted: str
) -> None:
    wanted = "true" if operator == "exists" else wanted
    data = reference_order.text(value)
    found = matcher_of([Filter(field, operator, wanted)])(data)
    assert found == reference_order.meets(data, field, operator, wanted)


def test_all_filters_must_be_met() -> None:
    both = matcher_of([Filter("n", "ge", "2"), Filter("n", "lt", "4")])
    assert [n for n in range(6) if both(b'{"n":%d}' % n)] == [2, 3]


@pytest.mark.parametrize("number", ["1e-99999999999999999999", "1e-" + "9" * 5000, "0e99999"])
def test_numbers_too_small_for_any_reader_have_a_place(number: str) -> None:
    rows = rows_of(b'{"n":-1}', b'{"n":%s}' % number.encode(), b'{"n":1}')
    assert positions(rows, FieldSelection(Sort("n"))) == [1, 2, 3]


def test_keys_written_with_escapes_are_found() -> None:
    assert positions(
        rows_of(b'{"pri\\u0063e":2}', b'{"price":1}'), FieldSelection(Sort("price"))
    ) == [2, 1]


@pytest.mark.parametrize("descending", [False, True])
def test_orders_larger_than_memory_are_merged_from_a_file(
    tmp_path: Path, descending: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fyke.domain.results.query.sorter.STRETCH_RECORDS", 100)
    values = [{"n": (n * 7919) % 500, "t": "x" * (n % 300)} for n in range(5050)]
    rows = rows_of(*map(dump, values))
    sorter = Sorter(descending=descending, scratch=tmp_path)
    for row in rows:
        value = json.loads(row.data)
        sorter.add(b"%05d" % value["n"] + value["t"].encode() + b"\x00", row.position)
    found = list(sorter.positions())
    sorter.close()
    expected = sorted(
        range(1, 5051),
        key=lambda p: b"%05d" % values[p - 1]["n"] + values[p - 1]["t"].encode() + b"\x00",
        reverse=descending,
    )
    assert found == expected
    assert list(tmp_path.iterdir()) == []
