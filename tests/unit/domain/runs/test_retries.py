"""Which attempt of a subtask shows its rows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fyke.domain.runs.retries import replaced_attempts
from fyke.model.run import Attempt, Outcome
from support.samples import sample

HIDING = frozenset({Outcome.EXIT_CODE.value})


def attempt(name: str, outcome: Outcome | None, rows: int) -> Attempt:
    return replace(sample(Attempt), id=name, outcome=outcome, rows=rows, started_at=1)


@pytest.mark.parametrize("outcome", [None, Outcome.SUCCEEDED])
def test_the_current_attempt_shows_its_rows_whatever_the_order_of_the_ids(
    outcome: Outcome | None,
) -> None:
    """Ids follow the clocks of different machines."""
    current, lost = attempt("a", outcome, 1), attempt("b", Outcome.RUNNER_LOST, 9)
    assert replaced_attempts([current, lost], HIDING) == {"b"}
    assert replaced_attempts([replace(lost, id="0"), current], HIDING) == {"0"}


def test_after_a_failure_the_attempt_with_most_rows_that_are_not_hidden_shows_them() -> None:
    lost = attempt("a", Outcome.RUNNER_LOST, 5)
    failed = attempt("b", Outcome.EXIT_CODE, 9)
    assert replaced_attempts([lost, failed], HIDING) == {"b"}
    assert replaced_attempts([lost, replace(failed, outcome=Outcome.TIMEOUT)], HIDING) == {"a"}
    assert replaced_attempts([lost], HIDING) == frozenset()
