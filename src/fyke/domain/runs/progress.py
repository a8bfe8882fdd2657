"""How far a running run is: by its subtasks, or by the rows that earlier runs had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from fyke.contracts.state import Storage, Transaction
from fyke.domain.runs.service import RunView
from fyke.model.alert import MAX_PREVIOUS_RUNS, MIN_PREVIOUS_RUNS, PreviousRun
from fyke.model.progress import Progress, ProgressBasis
from fyke.model.run import Run, RunState


class RunProgress:
    """Computes the progress of runs."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def of(self, view: RunView) -> Progress | None:
        """The progress, None when the run is not running or nothing is known about it."""
        run = view.run
        if run.state is not RunState.RUNNING:
            return None
        if run.subtasks > 1:
            return progress_of(run, view.results, ())

        def work(tx: Transaction) -> list[PreviousRun]:
            now = replace(run, finished_at=tx.now)  # earlier than this
            return tx.alerts.previous_runs(now, of_task=bool(run.task_id), limit=MAX_PREVIOUS_RUNS)

        return progress_of(run, view.results, await self._storage.read(work))


def progress_of(run: Run, results: int, previous: Sequence[PreviousRun]) -> Progress | None:
    """The progress of a running run with ``results`` rows so far. ``previous``: runs of the same
    worker or task that succeeded.
    """
    if run.subtasks > 1:
        done = run.subtasks_succeeded + run.subtasks_failed
        return Progress(ProgressBasis.SUBTASKS, done, run.subtasks)
    if len(previous) < MIN_PREVIOUS_RUNS:
        return None
    usual = round(median(earlier.results for earlier in previous))
    return Progress(ProgressBasis.ROWS, results, usual) if usual > 0 else None
