"""The subtasks of a run by pages: what each was given, how it ended, and its attempts."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import own_run
from fyke.domain.runs.summary import summary_of_text
from fyke.model.account import Caller
from fyke.model.run import Attempt, Subtask

MAX_PARTS = 100  # of one page


@dataclass(frozen=True, slots=True)
class SubtaskView:
    """A subtask with its input in one line and its attempts, in order of time."""

    subtask: Subtask
    summary: str
    attempts: list[Attempt]


class SubtaskReader:
    """The subtasks of all runs, each seen only by its own account."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def node(self, caller: Caller, run_id: str) -> str:
        """The machine of the first subtask's latest attempt; empty when it is not known (any
        more). Raises ``RunNotFound``.
        """

        def work(tx: Transaction) -> str:
            own_run(tx, caller, run_id)
            tries = tx.runs.attempts_between(run_id, 0, 0)
            runners = {runner.id: runner.node for runner in tx.runs.runners(0)}
            return runners.get(tries[-1].runner_id, "") if tries else ""

        return await self._storage.read(work)

    async def page(
        self, caller: Caller, run_id: str, *, offset: int, limit: int
    ) -> tuple[int, list[SubtaskView]]:
        """How many there are, and one page by ordinal. Raises ``RunNotFound``."""
        limit = min(max(limit, 1), MAX_PARTS)

        def work(tx: Transaction) -> tuple[int, list[Subtask], list[Attempt]]:
            run = own_run(tx, caller, run_id)
            found = tx.runs.subtask_page(run_id, offset=max(offset, 0), limit=limit)
            if not found:
                return run.subtasks, [], []
            tries = tx.runs.attempts_between(run_id, found[0].ordinal, found[-1].ordinal)
            return run.subtasks, found, tries

        count, found, tries = await self._storage.read(work)
        return count, [
            SubtaskView(
                subtask,
                summary_of_text(subtask.input_json),
                [one for one in tries if one.ordinal == subtask.ordinal],
            )
            for subtask in found
        ]
