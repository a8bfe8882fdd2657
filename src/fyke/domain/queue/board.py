"""The queue board: items of the run queue, runs that have not started, and capacity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fyke.contracts.state import Storage, Transaction
from fyke.domain.queue.service import ListedItem, RunQueue
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.domain.runs.lists import RunLists, RunRow
from fyke.domain.runs.waiting import WaitReason, WaitReasons
from fyke.model.account import Caller
from fyke.model.run import RunState
from fyke.model.run_list import ListCursor, RunSearch
from fyke.model.runner import RunnerInfo, RunnerLoad

PAGE = 50
PACE_RUNS = 30  # of the last that ended, from which the pace is found
PACE_MS = 3_600_000  # runs that ended earlier say nothing about the present pace
PACE_LEAST = 3  # runs
_ENDED = RunSearch(states=(RunState.SUCCEEDED, RunState.FAILED))


@dataclass(frozen=True, slots=True)
class Filling:
    """What the active subtasks of the account's runs of a Worker use of the runners."""

    worker: str  # its title, "" of a deleted one
    subtasks: int
    cpus: float
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Slots:
    """The capacity and how much of it is used.

    ``busy`` is the number of active runs of the account, ``most`` the number that may be active at
    once (None = no limit). Cores and memory are totals of all runners, which all accounts share;
    ``filled`` is the account's own part of what is taken, the largest first.
    """

    busy: int
    most: int | None
    runners: int
    cpus: float
    cpus_taken: float
    memory_mb: int
    memory_taken_mb: int
    filled: tuple[Filling, ...] = ()

    @property
    def cpus_of_others(self) -> float:
        return max(0.0, round(self.cpus_taken - sum(part.cpus for part in self.filled), 3))

    @property
    def memory_mb_of_others(self) -> int:
        return max(0, self.memory_taken_mb - sum(part.memory_mb for part in self.filled))


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A run that has not started, with its position in the order of starts, from 1."""

    position: int
    row: RunRow
    reason: WaitReason


@dataclass(frozen=True, slots=True)
class QueueBoardView:
    """One page of waiting runs, of ``waiting`` in total, and one page of queue items, of ``held``
    in total. ``next`` is the cursor of the next page of runs, None at the end. ``pace_ms`` is the
    time from one end of a run of the account to the next, 0 if that is not known.
    """

    slots: Slots
    waiting: int
    runs: list[WaitingRow]
    next: ListCursor | None
    held: int
    items: list[ListedItem]
    pace_ms: int = 0


class QueueBoard:
    """Reads the queue board of the caller's account."""

    def __init__(
        self, storage: Storage, queue: RunQueue, waiting: WaitReasons, lists: RunLists
    ) -> None:
        self._storage = storage
        self._queue = queue
        self._waiting = waiting
        self._lists = lists

    async def read(
        self,
        caller: Caller,
        *,
        start: ListCursor | None = None,
        number: int = 1,
        oldest_first: bool = False,
        size: int = PAGE,
    ) -> QueueBoardView:
        """The runs that wait after ``start``, in the order of their starts, and the page ``number``
        of the queue items.
        """
        slots, waiting, pace = await self._storage.read(lambda tx: _counts(tx, caller))
        reasons, following = await self._waiting.in_order(caller, start, size)
        rows = {
            row.line.id: row
            for row in await self._lists.rows(caller, [reason.run_id for reason in reasons])
        }
        held, items = await self._queue.page(
            caller, True, offset=(number - 1) * size, limit=size, oldest_first=oldest_first
        )
        runs = [
            WaitingRow(position, rows[reason.run_id], reason)
            for position, reason in enumerate(reasons, 1)
            if reason.run_id in rows
        ]
        return QueueBoardView(slots, waiting, runs, following, held, items, pace)

    async def slots(self, caller: Caller) -> Slots:
        return await self._storage.read(lambda tx: _slots(tx, caller))


def _counts(tx: Transaction, caller: Caller) -> tuple[Slots, int, int]:
    """The slots, the number of waiting runs, and the pace."""
    slots = _slots(tx, caller)
    waiting = tx.run_lists.states(caller.account_id).get(RunState.READY, 0)
    return slots, waiting, _pace_ms(tx, caller) if waiting and slots.busy else 0


def _slots(tx: Transaction, caller: Caller) -> Slots:
    account = tx.accounts.get(caller.account_id)
    runners = tx.runs.runners(tx.now - RUNNER_SILENCE_MS)
    alive = {runner.id: runner for runner in runners}
    loads = [load for load in tx.admission.loads() if load.runner_id in alive]
    reserved = [alive[load.runner_id].reserved(load) for load in loads]
    return Slots(
        busy=len(tx.admission.under_way(caller.account_id)),
        most=account.plan.max_runs if account else None,
        runners=len(runners),
        cpus=round(sum(runner.cpus for runner in runners), 3),
        cpus_taken=round(sum(cpus for cpus, _ in reserved), 3),
        memory_mb=sum(runner.memory_mb for runner in runners),
        memory_taken_mb=sum(memory for _, memory in reserved),
        filled=_filled(tx, caller, alive),
    )


def _filled(
    tx: Transaction, caller: Caller, alive: Mapping[str, RunnerInfo]
) -> tuple[Filling, ...]:
    found = []
    by_worker = tx.admission.loads_by_worker(caller.account_id)
    workers = tx.workers.get_all(by_worker)
    for worker_id, loads in by_worker.items():
        known = [load for load in loads if load.runner_id in alive]
        if known:
            worker = workers.get(worker_id)
            found.append(_filling(worker.title or worker.path if worker else "", known, alive))
    return tuple(sorted(found, key=lambda part: (-part.cpus, -part.memory_mb, part.worker)))


def _filling(worker: str, loads: Sequence[RunnerLoad], alive: Mapping[str, RunnerInfo]) -> Filling:
    reserved = [alive[load.runner_id].reserved(load) for load in loads]
    return Filling(
        worker,
        sum(load.attempts for load in loads),
        round(sum(cpus for cpus, _ in reserved), 3),
        sum(memory for _, memory in reserved),
    )


def _pace_ms(tx: Transaction, caller: Caller) -> int:
    walked = tx.run_lists.walk(caller.account_id, _ENDED, None, limit=PACE_RUNS)
    lines = tx.run_lists.lines(caller.account_id, [cursor.run_id for cursor in walked.cursors])
    ends = [line.finished_at for line in lines.values() if line.finished_at > tx.now - PACE_MS]
    if len(ends) < PACE_LEAST:
        return 0
    return max(1, (tx.now - min(ends)) // len(ends))
