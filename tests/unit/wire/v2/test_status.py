"""The status words of v2."""

from __future__ import annotations

import pytest

from fyke.model.run import RunState
from fyke.wire.v2.status import STATUS_FILTERS, status_at
from support import records

END = 1_000_000


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (RunState.READY, "ready"),
        (RunState.RUNNING, "running"),
        (RunState.ENDING, "running"),
        (RunState.ABORTING, "aborting"),
        (RunState.SUCCEEDED, "succeeded"),
        (RunState.FAILED, "failed"),
    ],
)
def test_the_word_of_a_state_does_not_depend_on_the_time(state: RunState, word: str) -> None:
    run = records.run("a", "w", state=state, finished_at=END)
    assert {status_at(run, END + later, 30_000) for later in (0, 29_999, 10**9)} == {word}


@pytest.mark.parametrize(
    ("later", "grace", "word"),
    [
        (0, 30_000, "aborting"),
        (29_999, 30_000, "aborting"),
        (30_000, 30_000, "aborted"),
        (10**9, 30_000, "aborted"),
        (0, 0, "aborted"),
        (-5, 0, "aborting"),  # the clock was set back
    ],
)
def test_aborting_becomes_aborted_after_the_grace_period(later: int, grace: int, word: str) -> None:
    run = records.run("a", "w", state=RunState.ABORTED, finished_at=END)
    assert status_at(run, END + later, grace) == word


def test_the_filter_of_each_status_finds_its_states() -> None:
    for state in RunState:
        run = records.run("a", "w", state=state, finished_at=END)
        for now in (END, END + 60_000):
            assert state in STATUS_FILTERS[status_at(run, now, 30_000)]
    assert STATUS_FILTERS["aborting"] == STATUS_FILTERS["aborted"]
