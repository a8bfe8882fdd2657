"""Offsets among visible rows, and the cache of hidden positions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fyke.storage.sql.results.hidden import HiddenPositions, start_of


@given(st.sets(st.integers(1, 60)), st.integers(0, 70))
def test_the_start_is_the_one_found_by_counting(hidden: set[int], offset: int) -> None:
    visible = [position for position in range(1, 61) if position not in hidden]
    start = start_of(sorted(hidden), offset)
    assert [position for position in visible if position > start] == visible[offset:]


def test_positions_are_read_once() -> None:
    cache, reads = HiddenPositions(), []

    def read() -> list[int]:
        reads.append(1)
        return [2, 3]

    for _ in range(3):
        assert list(cache.get((1, 7), read)) == [2, 3]
    assert len(reads) == 1


def test_the_cache_is_bounded_and_drops_the_least_recently_used() -> None:
    cache = HiddenPositions(limit=10)
    for run in range(3):
        cache.get((run,), lambda: range(4))  # the third makes the first go
        cache.get((0,), lambda: range(4))
    assert cache._count <= 10
    assert (0,) in cache._entries
    assert list(cache.get((9,), lambda: range(11))) == list(range(11))
    assert (9,) not in cache._entries
