"""How often a fault may return a subtask to the queue, and how long the subtask then waits."""

from __future__ import annotations

import pytest

from fyke.domain.runs.returns import (
    BLOBS_MS,
    BUG_TRIES,
    REGISTRY_MS,
    TRIES,
    fault_of,
    is_too_often,
    pause_ms,
    returned_in_a_row,
)
from fyke.model.run import MAX_PAUSE_MS, Attempt, Outcome
from fyke.reasons import Detail, DetailCode, Reason

AWAY = fault_of(Detail(DetailCode.EGRESS_AWAY))
DISK = fault_of(Detail.of(DetailCode.DISK_SHORT, free_bytes=1, needed_bytes=2))
OTHER_DISK = fault_of(Detail.of(DetailCode.DISK_SHORT, free_bytes=0, needed_bytes=2))
NO_REGISTRY = fault_of(Detail.of(DetailCode.REGISTRY_AWAY, problem="timed out"))
BUG = fault_of(Detail.of(DetailCode.UNFORESEEN, problem="a bug"))


def attempt(
    reason: Reason | None, outcome: Outcome | None = Outcome.RETURNED, at: int = 0
) -> Attempt:
    return Attempt("A", "run", 0, "7", "R", 1, 0, outcome, "", 0, 0, 0, 0, 0, at, reason=reason)


def times(attempts: list[Attempt], fault: Reason) -> int:
    return len(returned_in_a_row(attempts, fault))


def test_an_outage_of_the_blobs_lasts_a_day_before_it_ends_a_subtask() -> None:
    away = fault_of(Detail(DetailCode.BLOBS_AWAY))
    assert not is_too_often(away, [])
    assert not is_too_often(away, [attempt(away, at=0)] * 50 + [attempt(away, at=BLOBS_MS - 1)])
    assert is_too_often(away, [attempt(away, at=0), attempt(away, at=BLOBS_MS)])


@pytest.mark.parametrize(
    ("faults", "expected"),
    [([], 0), ([AWAY], 1), ([AWAY, AWAY], 2), ([AWAY, DISK], 0), ([AWAY, DISK, AWAY], 1)],
)
def test_only_the_same_fault_in_a_row_counts(faults: list[Reason], expected: int) -> None:
    assert times([attempt(fault) for fault in faults], AWAY) == expected


def test_a_fault_with_other_figures_is_the_same_fault() -> None:
    assert times([attempt(DISK), attempt(OTHER_DISK)], DISK) == 2


def test_an_attempt_that_ran_is_not_a_fault() -> None:
    ran = attempt(AWAY, Outcome.RUNNER_LOST)
    assert times([attempt(AWAY), ran, attempt(AWAY)], AWAY) == 1
    assert times([attempt(AWAY), attempt(None, None)], AWAY) == 0


def test_a_fault_ends_the_subtask_when_it_has_occurred_too_often() -> None:
    for fault, most in ((AWAY, TRIES), (BUG, BUG_TRIES)):
        assert not is_too_often(fault, [attempt(fault)] * (most - 1))
        assert is_too_often(fault, [attempt(fault)] * most)


@pytest.mark.parametrize(
    ("seconds", "too_often"),
    [
        ([300], False),
        ([0, 5, 12, 119.999], False),
        ([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110], False),
        ([0, 70, 143], True),
        ([50, 170], True),
    ],
)
def test_a_registry_has_a_time_instead_of_a_number_of_tries(
    seconds: list[float], too_often: bool
) -> None:
    """The clients of a registry need from seconds to minutes until they give up."""
    assert REGISTRY_MS == 120_000
    returned = [attempt(NO_REGISTRY, at=round(at * 1000)) for at in seconds]
    assert is_too_often(NO_REGISTRY, returned) is too_often


def test_pauses_grow_up_to_the_longest() -> None:
    assert [pause_ms(times) for times in (1, 2, 3, 6)] == [1000, 2000, 4000, 32_000]
    assert {pause_ms(times) for times in (7, 8, TRIES)} == {MAX_PAUSE_MS}
