"""Why a run has not begun, in words."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.domain.accounts import plans
from fyke.domain.accounts.model import Caller
from fyke.domain.contracts import RunnerInfo, Storage, Transaction
from fyke.domain.results.access import own_run
from fyke.domain.runs.model import Run, RunState
from fyke.domain.runs.service import RUNNER_SILENCE_MS

MOST_AHEAD = 1000  # subtasks are counted up to here
MOST_LISTED = 100  # runs of one answer


@dataclass(frozen=True, slots=True)
class WaitReason:
    """``code`` for programs, ``text`` for people; both empty for a run that does not wait."""

    run_id: str
    code: str = ""
    text: str = ""


class Waiting:
    """Looks at what stands between a run and its start. Changes nothing."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def reason(self, caller: Caller, run_id: str) -> WaitReason:
        """Raises ``RunNotFound``."""
        return await self._storage.read(lambda tx: _reason(tx, own_run(tx, caller, run_id)))

    async def reasons(self, caller: Caller) -> list[WaitReason]:
        """Of the account's runs that have not begun, newest first, at most ``MOST_LISTED``."""

        def work(tx: Transaction) -> list[WaitReason]:
            ids = tx.admission.ready(caller.account_id, MOST_LISTED)
            found = (tx.runs.get(run_id) for run_id in ids)
            return [_reason(tx, run) for run in found if run is not None]

        return await self._storage.read(work)


def _reason(tx: Transaction, run: Run) -> WaitReason:
    if run.state is not RunState.READY:
        return WaitReason(run.id)
    if any(attempt.outcome is None for attempt in tx.runs.attempts(run.id)):
        text = "a runner has taken it and puts up its sandbox; missing dependencies are installed"
        return WaitReason(run.id, "preparing", text)
    return _held_by_plan(tx, run) or _held_by_runners(tx, run)


def _held_by_plan(tx: Transaction, run: Run) -> WaitReason | None:
    account = tx.accounts.get(run.account_id)
    most = account.plan.most if account else None
    if account is None or most is None or len(tx.admission.under_way(run.account_id)) < most:
        return None
    text = f"{plans.full(account.plan)}; it begins when one of them has ended"
    return WaitReason(run.id, "plan", text)


def _held_by_runners(tx: Transaction, run: Run) -> WaitReason:
    runners = tx.runs.runners(tx.now - RUNNER_SILENCE_MS)
    if not runners:
        return WaitReason(run.id, "no_runner", "no runner is alive; start one with fyke up")
    ahead = tx.admission.ahead(run.id, MOST_AHEAD)
    if ahead:
        count = f"{MOST_AHEAD} or more" if ahead == MOST_AHEAD else str(ahead)
        older = "older subtask waits" if ahead == 1 else "older subtasks wait"
        return WaitReason(run.id, "queue", f"{count} {older} before it; {_room(tx, run, runners)}")
    return WaitReason(run.id, "room", _room(tx, run, runners))


def _room(tx: Transaction, run: Run, runners: list[RunnerInfo]) -> str:
    """What an attempt needs, and what there is."""
    needs = f"it needs {run.limits.cpus:g} cores and {run.limits.memory_mb} MB"
    taken = {load.runner_id: load for load in tx.admission.loads()}
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
