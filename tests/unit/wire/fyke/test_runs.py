"""Answers about one run under ``/api/fyke``."""

from __future__ import annotations

import pytest

from fyke.domain.runs.endings import RunEnding
from fyke.domain.runs.service import RunView
from fyke.model.run import RunState
from fyke.wire.fyke.runs import RunSummary
from support.memory import a_run, a_worker


@pytest.mark.parametrize(
    ("state", "finished_at", "duration"),
    [(RunState.RUNNING, 0, 94.25), (RunState.SUCCEEDED, 5142, 0.142)],
)
def test_the_duration_is_exact_and_that_so_far_of_an_active_run(
    state: RunState, finished_at: int, duration: float
) -> None:
    run = a_run("A", state=state, started_at=5000, finished_at=finished_at)
    view = RunView(run, a_worker("A"), 7, 0, 0, now=99_250)
    assert RunSummary.of(view, RunEnding(None, []), 0).duration == duration
