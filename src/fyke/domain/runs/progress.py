"""How far a running run is: by its subtasks, by what its Worker reports, or by the rows of earlier
runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from fyke.contracts.state import Storage, Transaction
from fyke.model.alert import MAX_PREVIOUS_RUNS, MIN_PREVIOUS_RUNS, PreviousRun
from fyke.model.progress import Progress, ProgressBasis, WorkerProgress
from fyke.model.run import Run, RunState

_NOTHING = WorkerProgress()
_NEAR = 0.25  # part of the usual number of rows by which a run with about as many differs


class RunProgress:
    """Computes the progress of runs."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def of(self, run: Run, results: int) -> Progress | None:
        """The progress of a run with so many rows, None when it is not running or nothing is known
        about it.
        """
        if run.state is not RunState.RUNNING:
            return None

        def work(tx: Transaction) -> Progress | None:
            if run.subtasks > 1:
                left = tx.runs.subtasks_left(run.id)
                return progress_of_subtasks(run.subtasks, left, tx.progress.parts(run.id))
            reported = tx.progress.of_run(run.id) or _NOTHING
            if reported.counts:
                return progress_of(reported, results, ())
            now = replace(run, finished_at=tx.now)  # earlier than this
            previous = tx.alerts.previous_runs(
                now, of_task=bool(run.task_id), limit=MAX_PREVIOUS_RUNS
            )
            same = [earlier for earlier in previous if earlier.summary == run.summary]
            return progress_of(reported, results, same)

        return await self._storage.read(work)


def progress_of_subtasks(subtasks: int, left: int, parts: float) -> Progress:
    """The progress of a running run with several subtasks, of which ``left`` have not ended.
    ``parts``: what those that run have done, as a part of one subtask each, added up.
    """
    return Progress(ProgressBasis.SUBTASKS, subtasks - left, subtasks, parts=parts)


def progress_of(
    reported: WorkerProgress, results: int, previous: Sequence[PreviousRun]
) -> Progress | None:
    """The progress of a running run with one subtask, which has ``results`` rows so far.
    ``previous``: runs of the same worker or task, with such an input, that succeeded. They give no
    estimate unless most had about as many rows.
    """
    text = reported.text
    if reported.counts:
        return Progress(ProgressBasis.WORKER, reported.done, reported.total or None, text)
    if len(previous) >= MIN_PREVIOUS_RUNS:
        usual = round(median(earlier.results for earlier in previous))
        near = sum(abs(earlier.results - usual) <= usual * _NEAR for earlier in previous)
        if usual > 0 and near * 2 > len(previous):
            return Progress(ProgressBasis.ROWS, results, usual, text)
    return Progress(ProgressBasis.WORKER, 0, None, text) if text else None
