"""Short reads for overview pages, over several concepts."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.rights import require_operator
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.model.account import Caller
from fyke.model.run import RunState
from fyke.model.runner import RunnerInfo
from fyke.model.schedule import Schedule
from fyke.model.task import Task
from fyke.model.worker import Worker

DAY_MS = 86_400_000
MAX_COMPARED = 1000  # the last successes, of which those without rows are counted
RECENT_RUNS = 200  # the newest runs, whose workers count as recently used
_BUSY = (RunState.RUNNING, RunState.ENDING, RunState.ABORTING)


@dataclass(frozen=True, slots=True)
class RunsNow:
    """How many runs of the account are active (``busy``), wait for capacity (``waiting``), and are
    in the run queue (``held``); ``total`` counts all of them and all that have ended.
    """

    busy: int
    waiting: int
    held: int
    total: int


@dataclass(frozen=True, slots=True)
class LastDay:
    """The states of the runs that were started since ``since`` (ms). ``empty``: how many of the
    last ``MAX_COMPARED`` that succeeded have no rows.
    """

    since: int
    succeeded: int
    empty: int
    failed: int
    aborted: int
    open: int


@dataclass(frozen=True, slots=True)
class UpcomingRun:
    """A schedule that will fire, with its task and worker (None when deleted)."""

    schedule: Schedule
    task: Task
    worker: Worker | None


class Overview:
    """Overviews of an account and of the installation."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def workers(self, caller: Caller) -> list[Worker]:
        """The account's own workers, public and private, by path."""
        workers = await self._storage.read(lambda tx: tx.workers.of_account(caller.account_id))
        return sorted(workers, key=lambda worker: worker.path)

    async def runners(self, caller: Caller) -> list[RunnerInfo]:
        """The active runners, for the operator. Raises ``Forbidden``."""
        require_operator(caller, "Listing runners")
        return await self._storage.read(lambda tx: tx.runs.runners(tx.now - RUNNER_SILENCE_MS))

    async def now(self, caller: Caller) -> RunsNow:
        """The figures of the account, from counters that are updated with each run."""

        def work(tx: Transaction) -> RunsNow:
            states = tx.run_lists.states(caller.account_id)
            queued, _ = tx.queue.page(caller.account_id, True, offset=0, limit=1)
            return RunsNow(
                busy=sum(states.get(state, 0) for state in _BUSY),
                waiting=states.get(RunState.READY, 0),
                held=queued,
                total=sum(states.values()),
            )

        return await self._storage.read(work)

    async def last_day(self, caller: Caller) -> LastDay:
        """The runs of the last 24 hours."""

        def work(tx: Transaction) -> LastDay:
            since = tx.now - DAY_MS
            states = tx.run_lists.states_since(caller.account_id, since)
            return LastDay(
                since=since,
                succeeded=states.get(RunState.SUCCEEDED, 0),
                empty=tx.run_lists.empty_since(caller.account_id, since, MAX_COMPARED),
                failed=states.get(RunState.FAILED, 0),
                aborted=states.get(RunState.ABORTED, 0),
                open=sum(n for state, n in states.items() if not state.terminal),
            )

        return await self._storage.read(work)

    async def next_runs(self, caller: Caller, limit: int) -> list[UpcomingRun]:
        """The next starts by schedules, the earliest first."""

        def work(tx: Transaction) -> list[UpcomingRun]:
            coming = tx.schedules.coming(caller.account_id, limit)
            tasks = tx.tasks.get_all([schedule.task_id for schedule in coming])
            workers = tx.workers.get_all({task.worker_id for task in tasks.values()})
            return [
                UpcomingRun(schedule, task, workers.get(task.worker_id))
                for schedule in coming
                if (task := tasks.get(schedule.task_id)) is not None
            ]

        return await self._storage.read(work)

    async def recent_workers(self, caller: Caller, limit: int) -> list[Worker]:
        """The workers of the newest runs that still exist, the last used first."""

        def work(tx: Transaction) -> list[Worker]:
            refs = tx.run_lists.recent_workers(caller.account_id, RECENT_RUNS)
            known = tx.workers.get_all(refs)
            workers = (known[ref] for ref in refs if ref in known)
            return [worker for worker in workers if not worker.deleted_at][:limit]

        return await self._storage.read(work)
