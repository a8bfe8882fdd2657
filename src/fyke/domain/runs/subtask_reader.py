"""Reads the subtasks of a run in pages: inputs, outcomes and attempts.

Only the operator sees on which machines they ran.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import own_run
from fyke.domain.runs.retries import retry_reason
from fyke.domain.runs.summary import summary_of_text
from fyke.model.account import Caller
from fyke.model.run import MAX_LISTED_SUBTASKS, Attempt, Run, Subtask, SubtaskState
from fyke.reasons import Reason


@dataclass(frozen=True, slots=True)
class SubtaskView:
    """A subtask with its input in one line and its attempts, in order of time. ``retry``: why it
    waits to be tried again.
    """

    subtask: Subtask
    summary: str
    attempts: list[Attempt]
    retry: Reason | None = None

    @property
    def rows(self) -> int:
        """The rows of its attempts, without those that are replaced by the rows of another."""
        return sum(attempt.rows for attempt in self.attempts if not attempt.replaced)


class SubtaskReader:
    """The subtasks of all runs; each account can read only the subtasks of its own runs."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def nodes(self, caller: Caller, run_id: str) -> list[str]:
        """The machines on which the run has attempts, by name. Raises ``RunNotFound``, except for
        other accounts than the operator's, which get none.
        """
        if not caller.operator:
            return []

        def work(tx: Transaction) -> list[str]:
            own_run(tx, caller, run_id)
            return tx.runs.nodes_of(run_id)

        return await self._storage.read(work)

    async def ordinals_in_events(self, caller: Caller, run_id: str) -> dict[str, int]:
        """The ordinals of the subtasks that events of the run name, by their numbers. Raises
        ``RunNotFound``.
        """

        def work(tx: Transaction) -> dict[str, int]:
            own_run(tx, caller, run_id)
            return tx.runs.ordinals_in_events(run_id)

        return await self._storage.read(work)

    async def page(
        self, caller: Caller, run_id: str, *, offset: int, limit: int
    ) -> tuple[int, list[SubtaskView]]:
        """Total count, and one page by ordinal. Raises ``RunNotFound``."""
        limit = min(max(limit, 1), MAX_LISTED_SUBTASKS)

        def work(tx: Transaction) -> tuple[Run, list[Subtask], list[Attempt]]:
            run = own_run(tx, caller, run_id)
            subtasks = tx.runs.subtask_page(run_id, offset=max(offset, 0), limit=limit)
            if not subtasks:
                return run, [], []
            attempts = tx.runs.attempts_between(run_id, subtasks[0].ordinal, subtasks[-1].ordinal)
            return run, subtasks, attempts

        run, subtasks, attempts = await self._storage.read(work)
        if not caller.operator:
            attempts = [replace(attempt, node="") for attempt in attempts]
        return run.subtasks, [
            _view(run, subtask, [a for a in attempts if a.ordinal == subtask.ordinal])
            for subtask in subtasks
        ]


def _view(run: Run, subtask: Subtask, attempts: list[Attempt]) -> SubtaskView:
    """``attempts`` have no machines when the reader may not see them."""
    waits = subtask.state is SubtaskState.WAITING
    retry = retry_reason(run, attempts, sees_nodes=True) if waits else None
    return SubtaskView(subtask, summary_of_text(subtask.input_json), attempts, retry)
