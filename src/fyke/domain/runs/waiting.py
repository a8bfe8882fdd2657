"""Why a run has not begun, in words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import own_run
from fyke.domain.accounts import plans
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.model.account import Caller
from fyke.model.run import Run, RunState
from fyke.model.run_list import ListCursor, RunSearch
from fyke.model.runner import RunnerInfo, RunnerLoad

MOST_AHEAD = 1000  # subtasks are counted up to here
MOST_LISTED = 100  # runs of one answer


@dataclass(frozen=True, slots=True)
class WaitReason:
    """``code`` for programs, ``text`` for people; both empty for a run that does not wait."""

    run_id: str
    code: str = ""
    text: str = ""


class WaitReasons:
    """Looks at what stands between a run and its start. Changes nothing."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def reason(self, caller: Caller, run_id: str) -> WaitReason:
        """Raises ``RunNotFound``."""
        return await self._storage.read(lambda tx: _QueueView(tx).at(own_run(tx, caller, run_id)))

    async def reasons(self, caller: Caller) -> list[WaitReason]:
        """Of the account's runs that have not begun, newest first, at most ``MOST_LISTED``."""

        def work(tx: Transaction) -> list[WaitReason]:
            return _reasons(tx, tx.admission.ready(caller.account_id, MOST_LISTED))

        return await self._storage.read(work)

    async def in_order(
        self, caller: Caller, start: ListCursor | None = None, most: int = MOST_LISTED
    ) -> tuple[list[WaitReason], ListCursor | None]:
        """The same in the order in which they begin, the oldest first, behind ``start``; and where
        to go on, None at the end.
        """

        def work(tx: Transaction) -> tuple[list[WaitReason], ListCursor | None]:
            walked = tx.run_lists.walk(
                caller.account_id, _NOT_BEGUN, start, limit=most + 1, newer=True
            )
            places = walked.places[:most]
            following = places[-1] if len(walked.places) > most else None
            return _reasons(tx, [place.run_id for place in places]), following

        return await self._storage.read(work)


_NOT_BEGUN = RunSearch(states=(RunState.READY,))


def _reasons(tx: Transaction, run_ids: list[str]) -> list[WaitReason]:
    look = _QueueView(tx)
    found = (tx.runs.get(run_id) for run_id in run_ids)
    return [look.at(run) for run in found if run is not None]


class _QueueView:
    """One look at all that may be in the way; what is the same for every run is read once."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._full: dict[str, str] = {}

    @cached_property
    def _runners(self) -> list[RunnerInfo]:
        return self._tx.runs.runners(self._tx.now - RUNNER_SILENCE_MS)

    @cached_property
    def _taken(self) -> dict[str, RunnerLoad]:
        return {load.runner_id: load for load in self._tx.admission.loads()}

    def at(self, run: Run) -> WaitReason:
        """Why ``run`` has not begun."""
        if run.state is not RunState.READY:
            return WaitReason(run.id)
        if any(attempt.outcome is None for attempt in self._tx.runs.attempts(run.id)):
            text = (
                "a runner has taken it and puts up its sandbox; missing dependencies are installed"
            )
            return WaitReason(run.id, "preparing", text)
        full = self._held_by_plan(run.account_id)
        if full:
            return WaitReason(run.id, "plan", full)
        return self._held_by_runners(run)

    def _held_by_plan(self, account_id: str) -> str:
        if account_id not in self._full:
            self._full[account_id] = _full(self._tx, account_id)
        return self._full[account_id]

    def _held_by_runners(self, run: Run) -> WaitReason:
        if not self._runners:
            return WaitReason(run.id, "no_runner", "no runner is alive; start one with fyke up")
        room = _room(run, self._runners, self._taken)
        ahead = self._tx.admission.ahead(run.id, MOST_AHEAD)
        if ahead:
            count = f"{MOST_AHEAD} or more" if ahead == MOST_AHEAD else str(ahead)
            older = "older subtask waits" if ahead == 1 else "older subtasks wait"
            return WaitReason(run.id, "queue", f"{count} {older} before it; {room}")
        return WaitReason(run.id, "room", room)


def _full(tx: Transaction, account_id: str) -> str:
    """Why nothing more of the account may begin now, or ``""``."""
    account = tx.accounts.get(account_id)
    most = account.plan.most if account else None
    if account is None or most is None or len(tx.admission.under_way(account_id)) < most:
        return ""
    return f"{plans.plan_full_text(account.plan)}; it begins when one of them has ended"


def _room(run: Run, runners: list[RunnerInfo], taken: dict[str, RunnerLoad]) -> str:
    """What an attempt needs, and what there is."""
    needs = f"it needs {run.limits.cpus:g} cores and {run.limits.memory_mb} MB"
    free = []
    for runner in runners:
        load = taken.get(runner.id)
        cpus = runner.cpus - (load.cpus if load else 0)
        memory = runner.memory_mb - (load.memory_mb if load else 0)
        free.append((max(0.0, round(cpus, 3)), max(0, memory)))
    cpus, memory = max(free)
    largest = max((runner.cpus, runner.memory_mb) for runner in runners)
    if run.limits.cpus > largest[0] or run.limits.memory_mb > largest[1]:
        return (
            f"{needs}, more than any runner has in all ({largest[0]:g} cores and {largest[1]} MB); "
            "it begins when a runner does nothing else"
        )
    return f"{needs}; the runner with the most room has {cpus:g} cores and {memory} MB free"
