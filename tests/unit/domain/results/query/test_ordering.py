"""The order of JSON values, against an independent reference implementation."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.results.query.model import RowSelection, Sort
from fyke.domain.results.query.ordering import TEXT_BYTES, number_key, sort_key
from fyke.domain.results.query.orders import _Builder
from fyke.model.results import Row
from support import reference_order
from support.examples import examples
from support.exports import rows_of
from support.row_values import FIELD, ROW


def test_the_reference_reads_its_own_rows() -> None:
    assert (
        reference_order.text(reference_order.load(b'{"a":[1.50,1e2,"x"]}'))
        == b'{"a":[1.50,1e2,"x"]}'
    )


def positions(rows: list[Row], sort: Sort) -> list[int]:
    builder = _Builder(RowSelection(sort), 0, None)
    try:
        builder.add(rows)
        return list(builder.positions())
    finally:
        builder.close()


@examples(60, 400)
@given(st.lists(ROW, min_size=1, max_size=12), FIELD, st.booleans())
def test_the_order_is_that_of_the_reference(
    values: list[dict], field: str, descending: bool
) -> None:
    rows = rows_of(*(reference_order.text(value) for value in values))
    found = positions(rows, Sort(field, descending))
    assert found == reference_order.ordered(rows, field, descending=descending)


@pytest.mark.parametrize("number", ["1e-99999999999999999999", "1e-" + "9" * 5000, "0e99999"])
def test_numbers_too_small_for_floats_are_ordered(number: str) -> None:
    rows = rows_of(b'{"n":-1}', b'{"n":%s}' % number.encode(), b'{"n":1}')
    assert positions(rows, Sort("n")) == [1, 2, 3]


def test_kinds_are_ordered_and_values_within_each_kind() -> None:
    rising = [
        b"null", b"false", b"true", b"-1e400", b"-10", b"-9", b"-0.5", b"0", b"5e-3", b"0.5", b"9",
        b"10", b"1e400", b'""', b'"A"', b'"a"', b'"aa"', b'"\xc3\xa9"', b"[1]", b"[2]",
        b'{"a":1}', b'{"b":0}',
    ]  # fmt: skip
    keys = [sort_key(token) for token in rising]
    assert keys == sorted(keys) and len(set(keys)) == len(keys)


def test_no_key_is_a_prefix_of_another() -> None:
    tokens = [b'"a"', b'"a\\u0000"', b'"a\\u0000\\u0000"', b'"ab"', b"1", b"12", b"120", b"-1",
              b"-12", b"[]", b"[1]", b"null", b"true"]  # fmt: skip
    keys = [sort_key(token) for token in tokens]
    assert not [pair for pair in itertools.permutations(keys, 2) if pair[1].startswith(pair[0])]


@pytest.mark.parametrize(
    "written",
    [(b"0", b"-0", b"0.0", b"0e5", b"-0.00e-7"), (b"100", b"1e2", b"1E+2", b"100.0", b"0.1e3"),
     (b"-15", b"-1.5e1", b"-150e-1")],
)  # fmt: skip
def test_equal_numbers_have_equal_keys(written: tuple[bytes, ...]) -> None:
    assert len({number_key(token) for token in written}) == 1


def test_long_texts_that_differ_late_are_equal() -> None:
    same = "x" * TEXT_BYTES
    assert sort_key(f'"{same}a"'.encode()) == sort_key(f'"{same}b"'.encode())
    assert sort_key(f'"{same[1:]}a"'.encode()) < sort_key(f'"{same[1:]}b"'.encode())
