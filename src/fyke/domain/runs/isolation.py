"""Which Workers run on which level of isolation, before anything starts."""

from __future__ import annotations

from collections.abc import Sequence

from fyke.contracts.execution import Isolation
from fyke.contracts.state import Transaction
from fyke.model.runner import RunnerInfo
from fyke.model.worker import Version, Worker

RUNNER_SILENCE_MS = 20_000  # after which a runner counts as gone


def can_execute(runner: RunnerInfo, *, own: bool) -> bool:
    """Whether it carries out Workers of the operator (``own``) or of others."""
    if runner.isolation == Isolation.FULL.value:
        return True
    if runner.isolation == Isolation.NO_LIMITS.value:
        return own
    return runner.unsafe


def refusal_of_runners(tx: Transaction, worker: Worker) -> str:
    """Why no runner that is alive would carry out the worker, in one sentence; ``""`` when one
    does, and when none is alive: then runs wait.
    """
    runners = tx.runs.runners(tx.now - RUNNER_SILENCE_MS)
    operator = tx.accounts.operator()
    own = operator is not None and worker.account_id == operator.id
    return refusal(runners, own=own)


def refusal(runners: Sequence[RunnerInfo], *, own: bool) -> str:
    """The same of these runners."""
    if not runners or any(can_execute(runner, own=own) for runner in runners):
        return ""
    first = runners[0]
    return f'the sandbox here is at level "{first.isolation}" ({first.reason}); see "fyke doctor"'


def refusal_of_builds(worker: Worker, version: Version) -> str:
    """Why the dependencies of the version would not be installed, or ``""``."""
    if not version.builds or worker.builds_allowed:
        return ""
    return (
        f"version {version.number} asks for its dependencies to be built, and the operator has not "
        "allowed that for this Worker; ask for it, or run a version with ready-made packages"
    )
