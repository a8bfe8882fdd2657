"""Decides which Workers may run at which level of isolation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from fyke.contracts.execution import Isolation
from fyke.model.placement import REGION_LABEL, Placement
from fyke.model.run import Run
from fyke.model.runner import RunnerInfo
from fyke.model.worker import Version, Worker
from fyke.reasons import Reason, ReasonCode

if TYPE_CHECKING:  # the runner of a node, which imports this, has no state
    from fyke.contracts.state import Transaction

RUNNER_SILENCE_MS = 20_000  # a runner without a report for longer counts as inactive


def can_execute(runner: RunnerInfo, *, own: bool) -> bool:
    """Whether the runner may execute Workers of the operator (``own``), or of other accounts."""
    if runner.isolation == Isolation.FULL.value:
        return True
    if runner.isolation == Isolation.NO_LIMITS.value:
        return own
    return runner.unsafe


def takes_attempts(runner: RunnerInfo) -> bool:
    """Whether an active runner takes attempts now, as far as is known."""
    return not runner.draining and runner.trouble is None and placement_of(runner) is not None


def placement_of(runner: RunnerInfo) -> Placement | None:
    """Which runs the runner takes; None if it may execute no Worker."""
    if not can_execute(runner, own=True):
        return None
    labels = tuple(sorted(runner.labels.items()))
    return Placement(runner.pool, labels, not can_execute(runner, own=False))


def is_placed(runner: RunnerInfo, run: Run) -> bool:
    """Whether the machine of the runner is in the pool of the run, and has the labels and the
    region that the run asks of it.
    """
    if runner.pool != run.pool or not run.labels.items() <= runner.labels.items():
        return False
    return not run.region_of_node or runner.labels.get(REGION_LABEL) == run.region


def can_run(runner: RunnerInfo, run: Run) -> bool:
    """Whether the runner may take the run: is on such a machine, is large enough for an attempt,
    may execute its Worker, and has the browser that the run requires.
    """
    if not is_placed(runner, run) or not runner.is_large_enough(run.limits):
        return False
    if not can_execute(runner, own=run.operators_worker):
        return False
    if not run.browser_required:
        return True
    return runner.has_browser and not runner.offer.problem_with(run.browser_choice)


def is_operators(tx: Transaction, worker: Worker) -> bool:
    """Whether the worker belongs to the operator's account."""
    operator = tx.accounts.operator()
    return operator is not None and worker.account_id == operator.id


def active_runners(tx: Transaction, pool: str) -> list[RunnerInfo]:
    """The active runners of a pool."""
    return [r for r in tx.runs.runners(tx.now - RUNNER_SILENCE_MS) if r.pool == pool]


def refusal_of_runners(tx: Transaction, worker: Worker, pool: str) -> Reason | None:
    """Why no active runner of the pool may execute the worker. None if one may, and also if no
    runner is active, because then runs wait.
    """
    return refusal(active_runners(tx, pool), own=is_operators(tx, worker))


def refusal(runners: Sequence[RunnerInfo], *, own: bool) -> Reason | None:
    """Why none of ``runners`` may execute a Worker; None as in ``refusal_of_runners``."""
    if not runners or any(can_execute(runner, own=own) for runner in runners):
        return None
    return missing_isolation(runners[0].isolation, runners[0].checks, runners[0].reason)


def missing_isolation(level: str, checks: Iterable[tuple[str, bool, str]], detail: str) -> Reason:
    """Why no Worker may run in a sandbox of this ``level``, with the first isolation check that
    failed. ``checks`` are name, result and observation; ``detail`` is the same as one text, for a
    runner that does not report its checks.
    """
    failed = ((name, observation) for name, passed, observation in checks if not passed)
    check, observed = next(failed, ("", ""))
    params = {"check": check, "seen": observed, "detail": detail}
    if level == Isolation.NO_LIMITS.value:
        return Reason.of(ReasonCode.LIMITS_MISSING, **params)
    return Reason.of(ReasonCode.ISOLATION_MISSING, level=str(level), **params)


def refusal_of_builds(worker: Worker, version: Version) -> Reason | None:
    """Why the dependencies of the version may not be built, else None."""
    if not version.builds or worker.builds_allowed:
        return None
    return Reason(ReasonCode.BUILDS_NOT_ALLOWED)
