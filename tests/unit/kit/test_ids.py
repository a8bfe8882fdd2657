"""ULIDs: their form, and the time in them."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from ulid import ULID

from fyke.kit.ids import is_ulid, new_ulid, new_unordered_ulid

MAKERS = (new_ulid, new_unordered_ulid)


@pytest.mark.parametrize("make", MAKERS)
def test_a_ulid_has_the_time_of_its_creation(make: Callable[[], str]) -> None:
    before = time.time_ns() // 1_000_000
    made = make()
    assert is_ulid(made)
    assert before <= ULID.from_str(made).milliseconds <= time.time_ns() // 1_000_000


@pytest.mark.parametrize("make", MAKERS)
def test_no_ulid_is_made_twice(make: Callable[[], str]) -> None:
    assert len({make() for _ in range(10_000)}) == 10_000


def test_ulids_of_one_process_are_in_order() -> None:
    made = [new_ulid() for _ in range(10_000)]
    assert made == sorted(made)
