"""The queue board: items of the run queue, runs that have not started, and capacity."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.contracts.state import Storage, Transaction
from fyke.domain.queue.service import ListedItem, RunQueue
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.domain.runs.lists import RunLists, RunRow
from fyke.domain.runs.waiting import WaitReason, WaitReasons
from fyke.model.account import Caller
from fyke.model.run import RunState
from fyke.model.run_list import ListCursor

PAGE = 50


@dataclass(frozen=True, slots=True)
class Slots:
    """The capacity and how much of it is used.

    ``busy`` is the number of active runs of the account, ``most`` the number that may be active at
    once (None = no limit). Cores and memory are totals of all runners, which all accounts share.
    """

    busy: int
    most: int | None
    runners: int
    cpus: float
    cpus_taken: float
    memory_mb: int
    memory_taken_mb: int


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A run that has not started, with its position in the order of starts, from 1."""

    position: int
    row: RunRow
    reason: WaitReason


@dataclass(frozen=True, slots=True)
class QueueBoardView:
    """One page of waiting runs, of ``waiting`` in total, and one page of queue items, of ``held``
    in total. ``next`` is the cursor of the next page of runs, None at the end.
    """

    slots: Slots
    waiting: int
    runs: list[WaitingRow]
    next: ListCursor | None
    held: int
    items: list[ListedItem]


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
        slots, waiting = await self._storage.read(lambda tx: _counts(tx, caller))
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
        return QueueBoardView(slots, waiting, runs, following, held, items)

    async def slots(self, caller: Caller) -> Slots:
        slots, _ = await self._storage.read(lambda tx: _counts(tx, caller))
        return slots


def _counts(tx: Transaction, caller: Caller) -> tuple[Slots, int]:
    account = tx.accounts.get(caller.account_id)
    runners = tx.runs.runners(tx.now - RUNNER_SILENCE_MS)
    alive = {runner.id: runner for runner in runners}
    loads = [load for load in tx.admission.loads() if load.runner_id in alive]
    reserved = [alive[load.runner_id].reserved(load) for load in loads]
    slots = Slots(
        busy=len(tx.admission.under_way(caller.account_id)),
        most=account.plan.max_runs if account else None,
        runners=len(runners),
        cpus=round(sum(runner.cpus for runner in runners), 3),
        cpus_taken=round(sum(cpus for cpus, _ in reserved), 3),
        memory_mb=sum(runner.memory_mb for runner in runners),
        memory_taken_mb=sum(memory for _, memory in reserved),
    )
    return slots, tx.run_lists.states(caller.account_id).get(RunState.READY, 0)
