"""The last runs of Workers, of tasks and of an account, and runs over time, for pictures."""

from __future__ import annotations

from collections.abc import Sequence

from fyke.contracts.state import Storage
from fyke.model.account import Caller
from fyke.model.run_list import RunPoint, RunSearch, RunsOf, RunsOverTime, TimeSteps

LAST = 30  # runs of each
MOST = 100  # Workers or tasks in one request
MOST_OVER_TIME = 50_000  # runs that are counted in one request


class RecentRuns:
    """Reads the last runs; each account can read only its own."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def of_account(self, caller: Caller) -> list[RunPoint]:
        """The last runs of the account, oldest first."""
        last = await self._last(caller, RunsOf.ACCOUNT, [caller.account_id])
        return last.get(caller.account_id, [])

    async def of_workers(
        self, caller: Caller, worker_ids: Sequence[str]
    ) -> dict[str, list[RunPoint]]:
        """The account's last runs of each Worker by its id, oldest first; Workers without runs, and
        those after the first ``MOST``, are left out.
        """
        return await self._last(caller, RunsOf.WORKER, worker_ids)

    async def of_tasks(self, caller: Caller, task_ids: Sequence[str]) -> dict[str, list[RunPoint]]:
        """The same for tasks."""
        return await self._last(caller, RunsOf.TASK, task_ids)

    async def over_time(
        self, caller: Caller, search: RunSearch, steps: TimeSteps
    ) -> RunsOverTime | None:
        """The runs that match, in steps of time; None for a search in messages or ids."""
        if search.error or search.run_id:
            return None
        return await self._storage.read(
            lambda tx: tx.run_lists.over_time(caller.account_id, search, steps, MOST_OVER_TIME)
        )

    async def _last(
        self, caller: Caller, of: RunsOf, values: Sequence[str]
    ) -> dict[str, list[RunPoint]]:
        if not values:
            return {}
        wanted = values[:MOST]
        return await self._storage.read(
            lambda tx: tx.run_lists.last_runs(caller.account_id, of, wanted, LAST)
        )
