"""Decides whether a run gets a browser on the active runners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fyke.contracts.state import Transaction
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.domain.runs.transitions import Rules
from fyke.model.run import Run, RunLimits
from fyke.model.runner import RunnerInfo
from fyke.model.worker import Version
from fyke.reasons import Reason, ReasonCode


def limits_at_start(rules: Rules, version: Version, limits: RunLimits) -> RunLimits:
    """The limits of a run of ``version`` at its start: with a browser if it reserves one."""
    return rules.with_browser(limits) if version.reserves_browser else limits


def missing_browser(runners: Sequence[RunnerInfo]) -> Reason | None:
    """Why none of ``runners`` has a browser that can be used. None if one has, or still checks
    whether it has, and also without any runner, because then runs wait.
    """
    if not runners or any(runner.has_browser for runner in runners):
        return None
    problem = next((r.browser_problem for r in runners if r.browser_problem), None)
    return Reason.of(ReasonCode.BROWSER_MISSING, problem=problem)


def refusal_of_browsers(tx: Transaction, *, required: bool) -> Reason | None:
    """Why no active runner has a browser if one is ``required``; None as above."""
    return missing_browser(_active(tx)) if required else None


def reserved_where_possible(tx: Transaction, run: Run) -> Run:
    """The run as it is started: without its browser if no active runner has one."""
    if run.browser_required or not run.limits.browser_memory_mb:
        return run
    if missing_browser(_active(tx)) is None:
        return run
    return replace(run, limits=replace(run.limits, browser_cpus=0.0, browser_memory_mb=0))


def _active(tx: Transaction) -> list[RunnerInfo]:
    return tx.runs.runners(tx.now - RUNNER_SILENCE_MS)
