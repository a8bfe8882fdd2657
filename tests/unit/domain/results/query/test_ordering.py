"""The order of JSON values, against an independent reference implementation and an exact key."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fyke.domain.results.query import orders, sorter
from fyke.domain.results.query.model import RowSelection, Sort, parse_filter
from fyke.domain.results.query.ordering import (
    NUMBER,
    TEXT_BYTES,
    comparable,
    exact_number,
    keys_by_kind,
)
from fyke.domain.results.query.orders import _Builder
from fyke.model.results import Row
from support import reference_order
from support.examples import examples
from support.exports import block_of, rows_of
from support.row_values import DIGITS, FIELD, ROW, TEXT, VALUE


def test_the_reference_reads_its_own_rows() -> None:
    assert (
        reference_order.text(reference_order.load(b'{"a":[1.50,1e2,"x"]}'))
        == b'{"a":[1.50,1e2,"x"]}'
    )


def positions(
    rows: list[Row], sort: Sort, *filters: str, page: int = 1000, scratch: Path | None = None
) -> list[int]:
    selection = RowSelection(sort, tuple(map(parse_filter, filters)))
    builder = _Builder(selection, 0, scratch)
    try:
        for begin in range(0, len(rows), page):
            builder.add(block_of(rows[begin : begin + page]))
        first, found = list(builder.first()), list(builder.positions())
        assert first == found[: len(first)]
        assert len(first) >= min(sorter.FIRST, builder.count) and builder.count == len(found)
        return found
    finally:
        builder.close()


@examples(60, 400)
@given(st.lists(ROW, min_size=1, max_size=12), FIELD, st.booleans())
def test_the_order_is_that_of_the_reference(
    values: list[dict[str, Any]], field: str, descending: bool
) -> None:
    rows = rows_of(*(reference_order.text(value) for value in values))
    found = positions(rows, Sort(field, descending))
    assert found == reference_order.ordered(rows, field, descending=descending)


def exact_key(token: bytes) -> bytes:
    """The value of JSON text as bytes that compare in the same order."""
    first = token[:1]
    if first == b'"':
        text = json.loads(token).encode()[:TEXT_BYTES]
        return b"\x40" + text
    ranks = {b"[": b"\x50", b"{": b"\x60", b"n": b"\x10", b"f": b"\x20", b"t": b"\x21"}
    if first not in ranks:
        return b"\x30" + exact_number(token)
    return ranks[first] + (token[:TEXT_BYTES] if first in b"[{" else b"")


# neighbours of a float, some with more digits than it has
NEAR = st.builds(
    lambda value, more: repr(value) + more,
    st.sampled_from([0.1, 0.1 + 2**-56, 0.3, 1.5, 4.35, 9007199254740992.5, -0.1, -4.35, 1e-5]),
    st.sampled_from(["", "0", "1", "5", "000000000000000001", "9" * 20]),
)
LONG = (
    st.integers(2**53 - 4, 2**53 + 8)
    | st.integers(2**63 - 3, 2**63 + 3)
    | st.integers(10**20 - 9000, 10**20 + 20000)
)
TOKEN = (
    st.builds(
        lambda sign, number, more: (sign + number + more).encode(),
        st.sampled_from(["", "-"]),
        LONG.map(str),
        st.sampled_from(["", "", ".0", ".2", ".5", ".50", ".7", "e0", "e-1"]),
    )
    | (DIGITS | NEAR).map(str.encode)
    | VALUE.map(reference_order.text)
    | st.sampled_from([b"1e-99999999999999999999", b"-1e99999999999", b"0e99999", b"1E2"])
)
TOKENS = st.lists(TOKEN, max_size=60) | st.lists(
    st.sampled_from([b"1", b"1.0", b"2", b"2.0000000000000000001", b"null", b"3"]), max_size=60
)


@examples(100, 2000)
@given(TOKENS, st.booleans(), st.integers(1, 9), st.integers(1, 4), st.integers(1, 3))
def test_runs_blocks_and_pages_of_any_size_give_the_order_of_the_exact_key(
    tokens: list[bytes], descending: bool, run: int, block: int, merged: int
) -> None:
    rows = rows_of(*(b'{"n":%s}' % token for token in tokens))
    keys = [exact_key(token) for token in tokens]
    expected = sorted(range(len(keys)), key=keys.__getitem__, reverse=descending)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorter, "RUN_KEYS", run)
        patch.setattr(sorter, "BLOCK_KEYS", block)
        patch.setattr(sorter, "_MERGED_BLOCKS", merged)
        patch.setattr(sorter, "FIRST", merged)
        patch.setattr(orders, "FIRST", merged)
        found = positions(rows, Sort("n", descending), page=max(1, run // 2))
    assert found == [index + 1 for index in expected]


NUMBERS = st.sampled_from(
    [
        st.builds(
            lambda near, more, sign: str(sign * (near + more)),
            st.sampled_from([2**53, 2**62, 2**63, 2**64]),
            st.integers(-3, 3),
            st.sampled_from([1, -1]),
        ),
        st.integers(-(2**53) - 9, 2**53 + 9).map(str),
        st.floats(allow_nan=False, allow_infinity=False).map(repr),
        st.floats(-1e9, 1e9).map(lambda value: msgspec.json.encode(value).decode()),
        st.floats(-1e6, 1e6).map(lambda value: f"{value:.17f}"),
        NEAR,
    ]
).flatmap(lambda one: st.lists(one, min_size=1, max_size=40))


@examples(200, 3000)
@example(["8.000000000000001", "8.000000000000002", "8.000000000000003"], "0.50")
@example(["9007199254740992", "9007199254740993"], "")
@example(["9223372036854775808", "9223372036854775809"], "0.50")
@example(["-9223372036854775809", "-9223372036854775807"], "0.50")
@example(["1e23"], "0.50")
@given(NUMBERS, st.sampled_from(["", "0", "9007199254740993", "0.50", "1e-7", "-0"]))
def test_keys_of_many_numbers_compare_like_the_exact_keys(numbers: list[str], odd: str) -> None:
    """Blocks of one kind of number, whose keys are found for all at once, alone and with another
    number.
    """
    tokens = [number.encode() for number in numbers]
    keys: list[Any] = []
    for some in (tokens, [*tokens, odd.encode()] if odd else []):
        for kind, found, _ in keys_by_kind([msgspec.Raw(token) for token in some], []):
            assert kind == NUMBER
            keys += comparable(found)
    exact = [exact_number(token) for token in (*tokens, *some)]
    for key, expected in zip(keys, exact, strict=True):
        assert [other < key for other in keys] == [other < expected for other in exact]


@pytest.mark.parametrize("descending", [False, True])
def test_a_large_run_of_mixed_values_has_the_order_of_the_exact_key(
    tmp_path: Path, descending: bool
) -> None:
    draw = random.Random(5)
    makers = [
        lambda: draw.choice(["null", "true", "false", "[1]", '{"a":2}', '"same"', "5", "5.0"]),
        lambda: json.dumps(draw.choice(["é", "中文", "x" * 600, "😀", "Ж"]) * draw.randint(0, 3)),
        lambda: f"{draw.randint(0, 999)}.{draw.randint(0, 99):02}",
        lambda: repr(draw.random()),
        lambda: str(draw.randint(2**62, 2**62 + 2000)),
    ]
    tokens = [draw.choice(makers)().encode() for _ in range(5000)]
    rows = rows_of(*(b'{"n":%s}' % token for token in tokens))
    keys = [exact_key(token) for token in tokens]
    expected = sorted(range(len(keys)), key=keys.__getitem__, reverse=descending)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorter, "RUN_KEYS", 200)
        found = positions(rows, Sort("n", descending), page=64, scratch=tmp_path)
        some = positions(rows, Sort("n", descending), "n:ge:500", page=64, scratch=tmp_path)
    assert found == [index + 1 for index in expected]
    kept = [n for n in found if reference_order.meets(rows[n - 1].data, "n", "ge", "500")]
    assert some == kept and 0 < len(kept) < len(found)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", ["1e-99999999999999999999", "1e-" + "9" * 5000, "0e99999"])
def test_numbers_too_small_for_floats_are_ordered(number: str) -> None:
    rows = rows_of(b'{"n":-1}', b'{"n":%s}' % number.encode(), b'{"n":1}')
    assert positions(rows, Sort("n")) == [1, 2, 3]


def test_kinds_are_ordered_and_values_within_each_kind() -> None:
    rising = [
        b"null", b"false", b"true", b"-1e401", b"-1e400", b"-10", b"-9", b"-0.5", b"-1e-400",
        b"0", b"1e-400", b"3e-324", b"4e-324", b"5e-3", b"0.1", b"0.1000000000000000055", b"0.5",
        b"9", b"10", b"9007199254740992", b"9007199254740993", b"1e400", b"1e401", b'""', b'"A"',
        b'"a"', b'"a\\u0000"', b'"aa"', b'"\xc3\xa9"', b'"\xef\xbf\xbf"', b'"\xf0\x9f\x98\x80"',
        b"[1]", b"[2]", b'{"a":1}', b'{"b":0}',
    ]  # fmt: skip
    rows = rows_of(*(b'{"n":%s}' % token for token in rising))
    expected = list(range(1, len(rising) + 1))
    assert positions(rows, Sort("n")) == expected
    assert positions(rows, Sort("n", descending=True)) == expected[::-1]


@pytest.mark.parametrize(
    "written",
    [(b"0", b"-0", b"0.0", b"0e5", b"-0.00e-7"), (b"100", b"1e2", b"1E+2", b"100.0", b"0.1e3"),
     (b"-15", b"-1.5e1", b"-150e-1"), (b"0.30000000000000004", b"0.300000000000000040"),
     (b"1152921504606846977", b"1152921504606846977.0"), (b"1e400", b"10e399")],
)  # fmt: skip
def test_equal_numbers_have_equal_keys(written: tuple[bytes, ...]) -> None:
    assert len({exact_number(token) for token in written}) == 1
    rows = rows_of(*(b'{"n":%s}' % token for token in (*written, *reversed(written))))
    for descending in (False, True):
        assert positions(rows, Sort("n", descending)) == list(range(1, len(rows) + 1))


@examples(100, 1000)
@given(st.lists(TEXT, max_size=12), st.booleans())
def test_text_is_ordered_by_code_points(texts: list[str], descending: bool) -> None:
    rows = rows_of(*({"n": text} for text in texts))
    expected = sorted(
        range(len(texts)),
        key=lambda index: texts[index].encode()[:TEXT_BYTES],
        reverse=descending,
    )
    assert positions(rows, Sort("n", descending)) == [index + 1 for index in expected]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [(["x" * 512 + "b", "x" * 512 + "a", "x" * 511 + "b"], [3, 1, 2]),
     (["x" + "é" * 255 + more for more in ("é", "è", "Ж", "")], [4, 1, 2, 3])],
)  # fmt: skip
def test_long_texts_that_differ_after_512_bytes_are_equal(
    texts: list[str], expected: list[int]
) -> None:
    assert positions(rows_of(*({"n": text} for text in texts)), Sort("n")) == expected


def test_numbers_that_differ_after_512_digits_are_equal() -> None:
    same = "0." + "3" * 511
    texts = [same + "39", same + "38", same + "2", f"-{same}39", f"-{same}3", f"-{same}4"]
    rows = rows_of(*(b'{"n":%s}' % text.encode() for text in texts))
    assert positions(rows, Sort("n")) == [6, 4, 5, 3, 1, 2]


def test_the_keys_of_long_numbers_are_short() -> None:
    tokens = [msgspec.Raw(f"0.{'3' * 99_999}".encode()), msgspec.Raw(b"9" * 4000)]
    for token in tokens:
        [(_, [key], _)] = keys_by_kind([token], [1])
        assert isinstance(key, tuple) and len(key[2]) < 600
