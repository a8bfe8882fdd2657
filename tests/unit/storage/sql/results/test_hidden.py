"""Offsets among visible rows, and what is kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fyke.storage.sql.results.hidden import HiddenPositions, start_of


@given(st.sets(st.integers(1, 60)), st.integers(0, 70))
def test_the_start_is_where_counting_would_lead(hidden: set[int], offset: int) -> None:
    visible = [position for position in range(1, 61) if position not in hidden]
    start = start_of(sorted(hidden), offset)
    assert [position for position in visible if position > start] == visible[offset:]


def test_positions_are_read_once() -> None:
    kept, reads = HiddenPositions(), []

    def read() -> list[int]:
        reads.append(1)
        return [2, 3]

    for _ in range(3):
        assert list(kept.get((1, 7), read)) == [2, 3]
    assert len(reads) == 1


def test_memory_is_bounded_and_the_least_used_goes_first() -> None:
    kept = HiddenPositions(limit=10)
    for run in range(3):
        kept.get((run,), lambda: range(4))  # the third makes the first go
        kept.get((0,), lambda: range(4))
    assert kept._count <= 10
    assert (0,) in kept._kept
    assert list(kept.get((9,), lambda: range(11))) == list(range(11))
    assert (9,) not in kept._kept
