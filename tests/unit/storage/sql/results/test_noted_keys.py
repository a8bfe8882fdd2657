"""Keys of rows are noted by attempt, up to limits."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.kit.members import MAX_MEMBERS
from fyke.storage.sql.results.noted_keys import (
    MAX_ATTEMPTS,
    MAX_BYTES,
    MAX_KEYS,
    NotedKeys,
    visible_keys,
)

ROWS = st.lists(st.tuples(st.integers(0, 3), st.lists(st.sampled_from("abcdef"), unique=True)))


def _row(keys: list[str]) -> bytes:
    return msgspec.json.encode(dict.fromkeys(keys, 1))


def _noted(rows: list[tuple[int, list[str]]], block: int = 1000) -> bytes | None:
    noted = NotedKeys()
    for first in range(0, len(rows), block):
        part = rows[first : first + block]
        noted.add(first, [attempt for attempt, _ in part], [_row(keys) for _, keys in part])
    return noted.encode()


@given(ROWS, st.sets(st.integers(0, 3)), st.integers(1, 5))
def test_keys_are_in_the_order_of_the_visible_rows(
    rows: list[tuple[int, list[str]]], hidden: set[int], block: int
) -> None:
    note = _noted(rows, block)
    assert note is not None
    visible = [key for attempt, keys in rows if attempt not in hidden for key in keys]
    assert visible_keys(note, hidden) == list(dict.fromkeys(visible))


SHARED = st.lists(
    st.tuples(
        st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True),
        st.lists(st.sampled_from("abcdef"), unique=True, max_size=4),
    ),
    max_size=20,
)


@given(SHARED, st.sets(st.integers(0, 3)), st.integers(1, 5))
def test_a_row_of_several_attempts_is_visible_if_one_of_them_is(
    rows: list[tuple[list[int], list[str]]], hidden: set[int], block: int
) -> None:
    noted = NotedKeys()
    for begin in range(0, len(rows), block):
        part = rows[begin : begin + block]
        shares = {
            begin + n: set(attempts) for n, (attempts, _) in enumerate(part) if len(attempts) > 1
        }
        owners = [attempts[0] for attempts, _ in part]
        noted.add(begin, owners, [_row(keys) for _, keys in part], shares)
    note = noted.encode()
    assert note is not None
    visible = [key for attempts, keys in rows if set(attempts) - hidden for key in keys]
    assert visible_keys(note, hidden) == list(dict.fromkeys(visible))


@pytest.mark.parametrize("row", [b"[1]", b"7", b'{"a":'])
def test_rows_that_are_no_objects_are_not_noted(row: bytes) -> None:
    noted = NotedKeys()
    noted.add(0, [1], [row])
    noted.add(1, [1], [b'{"a":1}'])
    assert noted.encode() is None


def test_too_many_keys_of_an_attempt_are_not_noted() -> None:
    rows = [(1, [f"k{number}" for number in range(MAX_MEMBERS)])]
    assert _noted(rows) is not None
    assert _noted([*rows, (1, ["one"])]) is None
    assert _noted([*rows, (2, ["one"])]) is not None


def test_too_many_keys_of_all_attempts_are_not_noted() -> None:
    keys = [f"k{number}" for number in range(MAX_MEMBERS)]
    rows = [(attempt, keys) for attempt in range(MAX_KEYS // MAX_MEMBERS)]
    assert _noted(rows) is not None
    assert _noted([*rows, (-1, ["one"])]) is None


def test_keys_of_too_many_bytes_are_not_noted() -> None:
    assert _noted([(1, ["ä" * (MAX_BYTES // 2)])]) is not None
    assert _noted([(1, ["ä" * (MAX_BYTES // 2) + "a"])]) is None


def test_keys_of_too_many_attempts_are_not_noted() -> None:
    rows = [(attempt, ["one"]) for attempt in range(MAX_ATTEMPTS)]
    assert _noted([*rows, (0, ["two"])]) is not None
    assert _noted([*rows, (MAX_ATTEMPTS, ["one"])]) is None


def test_what_was_noted_is_dropped_when_there_is_too_much() -> None:
    noted = NotedKeys()
    noted.add(0, [1, 2], [b'{"a":1}', b"[1]"])
    assert noted.encode() is None
    assert not noted._keys and not noted._note
