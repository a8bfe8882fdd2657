"""Decides whether a run gets a browser on the active runners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fyke.contracts.state import Transaction
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.domain.runs.transitions import Rules
from fyke.errors import InvalidRequest
from fyke.model.run import Run, RunLimits
from fyke.model.runner import RunnerInfo
from fyke.model.worker import BrowserNeed, Version
from fyke.reasons import Reason, ReasonCode


def limits_at_start(rules: Rules, version: Version, limits: RunLimits) -> RunLimits:
    """The limits of a run of ``version`` at its start: with a browser if the version reserves one,
    or if the start asks for memory for it. Raise ``InvalidRequest`` when it may not.
    """
    if limits.browser_memory_mb:
        _check_memory(rules, version, limits.browser_memory_mb)
    elif not version.reserves_browser:
        return limits
    return rules.with_browser(limits)


def _check_memory(rules: Rules, version: Version, asked: int) -> None:
    field, remedy = "input.parameters.system.browser_memory", "leave it out"
    if version.browser is BrowserNeed.NONE:
        rule = "is for the browser, and this version declares that it uses none"
        raise InvalidRequest(rule, field=field, remedy=remedy)
    if not rules.browser_memory_mb:
        rule = "is for the browser, and this Fyke gives Workers none"
        raise InvalidRequest(rule, field=field, remedy=remedy)
    if asked > rules.browser_memory_max_mb:
        rule = f"must be at most {rules.browser_memory_max_mb} MB"
        remedy = "ask for less; the operator can allow more with browser_memory_max_mb"
        raise InvalidRequest(rule, field=field, remedy=remedy)


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
