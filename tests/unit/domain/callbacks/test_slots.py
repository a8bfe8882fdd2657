"""Free slots by the status of the host."""

from __future__ import annotations

import pytest

from fyke.domain.callbacks.slots import free_slots, take_slot
from fyke.model.callback import HostStatus

GOOD, NEW, FAILING = HostStatus.GOOD, HostStatus.NEW, HostStatus.FAILING


def by_status(good: int, new: int, failing: int) -> dict[HostStatus, int]:
    return {GOOD: good, NEW: new, FAILING: failing}


@pytest.mark.parametrize(
    ("taken", "free"),
    [
        ([], by_status(20, 18, 10)),
        ([GOOD] * 5, by_status(15, 15, 10)),
        ([GOOD] * 20, by_status(0, 0, 0)),
        ([FAILING] * 10, by_status(10, 8, 0)),
        ([NEW] * 18, by_status(2, 0, 0)),
        ([FAILING] * 10 + [NEW] * 8, by_status(2, 0, 0)),
        ([FAILING] * 10 + [NEW] * 8 + [GOOD] * 2, by_status(0, 0, 0)),
        ([NEW] * 30, by_status(0, 0, 0)),  # more than there are, as after a change of the setting
    ],
)
def test_free_slots_by_status(taken: list[HostStatus], free: dict[HostStatus, int]) -> None:
    assert free_slots(taken, 20) == free


def test_a_taken_slot_counts_like_one_that_is_in_flight() -> None:
    free, taken = free_slots([], 20), []
    for standing in [FAILING] * 11 + [NEW] * 9 + [GOOD] * 3:
        if take_slot(free, standing):
            taken.append(standing)
        assert free == free_slots(taken, 20), taken
    assert [taken.count(standing) for standing in (FAILING, NEW, GOOD)] == [10, 8, 2]


def test_good_receivers_may_take_all() -> None:
    free = free_slots([], 20)
    assert all(take_slot(free, GOOD) for _ in range(20))
    assert not any(take_slot(free, standing) for standing in HostStatus)
