"""Progress: what is counted, and when nothing is known."""

from __future__ import annotations

import pytest

from fyke.domain.runs.progress import progress_of, progress_of_subtasks
from fyke.model.alert import PreviousRun
from fyke.model.progress import Progress, ProgressBasis, WorkerProgress

NOTHING = WorkerProgress()


def earlier(*results: int) -> list[PreviousRun]:
    return [PreviousRun(str(at), rows, 1000) for at, rows in enumerate(results)]


@pytest.mark.parametrize(
    ("ended", "parts", "percent"),
    [(4, 0.0, 50), (4, 1.5, 68), (0, 8.0, 99), (7, 1.0, 99), (8, 0.0, 100)],
)
def test_subtasks_count_if_there_are_several(ended: int, parts: float, percent: int) -> None:
    found = progress_of_subtasks(8, 8 - ended, parts)
    assert (found.basis, found.done, found.total) == (ProgressBasis.SUBTASKS, ended, 8)
    assert found.percent == percent


@pytest.mark.parametrize(("rows", "percent"), [(0, 0), (50, 50), (100, 99), (900, 99)])
def test_rows_count_against_the_usual_number(rows: int, percent: int) -> None:
    found = progress_of(NOTHING, rows, earlier(90, 100, 5000))
    assert found is not None
    assert (found.basis, found.total, found.percent) == (ProgressBasis.ROWS, 100, percent)


@pytest.mark.parametrize(
    "results", [(), (100, 100), (0, 0, 0), (10, 100, 1000), (100, 100, 200, 300)]
)
def test_nothing_is_known_without_earlier_runs_with_about_as_many_rows(
    results: tuple[int, ...],
) -> None:
    assert progress_of(NOTHING, 5, earlier(*results)) is None


@pytest.mark.parametrize(
    ("done", "total", "percent"),
    [(0, 7, 0), (2, 7, 28), (7, 7, 100), (9, 7, 100), (2**53 - 1, 2**53 - 1, 100)],
)
def test_what_the_worker_reports_counts_before_the_estimate(
    done: int, total: int, percent: int
) -> None:
    found = progress_of(WorkerProgress(done, total, "page 2"), 5, earlier(10, 10, 10))
    assert found == Progress(ProgressBasis.WORKER, done, total, "page 2")
    assert found.percent == percent


def test_a_worker_need_not_know_the_total() -> None:
    found = progress_of(WorkerProgress(3), 5, earlier(10, 10, 10))
    assert found == Progress(ProgressBasis.WORKER, 3, None)
    assert found.percent is None


def test_a_text_alone_is_shown_with_the_estimate() -> None:
    reported = WorkerProgress(text="signs in")
    found = progress_of(reported, 5, earlier(10, 10, 10))
    assert found == Progress(ProgressBasis.ROWS, 5, 10, "signs in")
    assert progress_of(reported, 5, ()) == Progress(ProgressBasis.WORKER, 0, None, "signs in")
