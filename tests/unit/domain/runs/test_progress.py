"""Progress: what is counted, and when nothing is known."""

from __future__ import annotations

import pytest

from fyke.domain.runs.progress import progress_of
from fyke.model.alert import PreviousRun
from fyke.model.progress import ProgressBasis
from fyke.model.run import RunState
from support import records


def earlier(*results: int) -> list[PreviousRun]:
    return [PreviousRun(str(at), rows, 1000) for at, rows in enumerate(results)]


def test_subtasks_count_if_there_are_several() -> None:
    run = records.run(
        "a", "w", state=RunState.RUNNING, subtasks=8, subtasks_succeeded=3, subtasks_failed=1
    )
    found = progress_of(run, 500, earlier(10, 10, 10))
    assert found is not None
    assert (found.basis, found.done, found.total) == (ProgressBasis.SUBTASKS, 4, 8)
    assert found.percent == 50


@pytest.mark.parametrize(("rows", "percent"), [(0, 0), (50, 50), (100, 99), (900, 99)])
def test_rows_count_against_the_usual_number(rows: int, percent: int) -> None:
    run = records.run("a", "w", state=RunState.RUNNING, subtasks=1)
    found = progress_of(run, rows, earlier(90, 100, 5000))
    assert found is not None
    assert (found.basis, found.total, found.percent) == (ProgressBasis.ROWS, 100, percent)


@pytest.mark.parametrize("results", [(), (100, 100), (0, 0, 0)])
def test_nothing_is_known_without_earlier_runs_with_rows(results: tuple[int, ...]) -> None:
    run = records.run("a", "w", state=RunState.RUNNING, subtasks=1)
    assert progress_of(run, 5, earlier(*results)) is None
