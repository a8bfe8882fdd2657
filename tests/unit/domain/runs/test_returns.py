"""How often a fault may return a subtask to the queue, and how long the subtask waits then."""

from __future__ import annotations

import pytest

from fyke.domain.runs.returns import (
    FEW_TRIES,
    TRIES,
    fault_of,
    is_too_often,
    pause_ms,
    times_in_a_row,
)
from fyke.model.run import MAX_PAUSE_MS, Attempt, Outcome
from fyke.reasons import Detail, DetailCode, Reason

AWAY = fault_of(Detail(DetailCode.EGRESS_AWAY))
DISK = fault_of(Detail.of(DetailCode.DISK_SHORT, free_bytes=1, needed_bytes=2))
OTHER_DISK = fault_of(Detail.of(DetailCode.DISK_SHORT, free_bytes=0, needed_bytes=2))
NO_REGISTRY = fault_of(Detail.of(DetailCode.REGISTRY_AWAY, problem="timed out"))
BUG = fault_of(Detail.of(DetailCode.UNFORESEEN, problem="a bug"))


def attempt(reason: Reason | None, outcome: Outcome | None = Outcome.RETURNED) -> Attempt:
    return Attempt("A", "run", 0, "7", "R", 1, 0, outcome, "", 0, 0, 0, 0, 0, 0, reason=reason)


@pytest.mark.parametrize(
    ("faults", "times"),
    [([], 0), ([AWAY], 1), ([AWAY, AWAY], 2), ([AWAY, DISK], 0), ([AWAY, DISK, AWAY], 1)],
)
def test_only_the_same_fault_in_a_row_counts(faults: list[Reason], times: int) -> None:
    assert times_in_a_row([attempt(fault) for fault in faults], AWAY) == times


def test_a_fault_with_other_figures_is_the_same_fault() -> None:
    assert times_in_a_row([attempt(DISK), attempt(OTHER_DISK)], DISK) == 2


def test_an_attempt_that_ran_is_no_fault() -> None:
    ran = attempt(AWAY, Outcome.RUNNER_LOST)
    assert times_in_a_row([attempt(AWAY), ran, attempt(AWAY)], AWAY) == 1
    assert times_in_a_row([attempt(AWAY), attempt(None, None)], AWAY) == 0


def test_a_fault_ends_the_subtask_when_it_has_occurred_too_often() -> None:
    assert (is_too_often(AWAY, TRIES - 1), is_too_often(AWAY, TRIES)) == (False, True)
    for fault in (BUG, NO_REGISTRY):
        assert not is_too_often(fault, FEW_TRIES - 1)
        assert is_too_often(fault, FEW_TRIES)


def test_pauses_grow_up_to_the_longest() -> None:
    assert [pause_ms(times) for times in (1, 2, 3, 6)] == [1000, 2000, 4000, 32_000]
    assert {pause_ms(times) for times in (7, 8, TRIES)} == {MAX_PAUSE_MS}
