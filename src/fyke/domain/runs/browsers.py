"""Decides whether a run gets a browser on the active runners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fyke.contracts.state import Transaction
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.domain.runs.transitions import Rules
from fyke.errors import InvalidRequest
from fyke.model.browser import BrowserBlock
from fyke.model.run import Run, RunLimits
from fyke.model.runner import RunnerInfo
from fyke.model.worker import BrowserNeed, Version
from fyke.reasons import Reason, ReasonCode

_SYSTEM = "input.parameters.system."
_MEMORY, _BLOCK = f"{_SYSTEM}browser_memory", f"{_SYSTEM}browser_block"
_LEAVE_OUT = "leave it out"


def limits_at_start(
    rules: Rules, version: Version, limits: RunLimits, block: Sequence[BrowserBlock] = ()
) -> RunLimits:
    """The limits of a run of ``version`` at its start: with a browser if the version reserves one,
    or if the start asks for memory for it. Raise ``InvalidRequest`` when it may not, or may not
    ``block``.
    """
    if block:
        _check_browsers(rules, version, _BLOCK)
    if limits.browser_memory_mb:
        _check_memory(rules, version, limits.browser_memory_mb)
    elif not version.reserves_browser:
        return limits
    return rules.with_browser(limits)


def _check_memory(rules: Rules, version: Version, asked: int) -> None:
    _check_browsers(rules, version, _MEMORY)
    if asked > rules.browser_memory_max_mb:
        rule = f"must be at most {rules.browser_memory_max_mb} MB"
        remedy = "ask for less; the operator can allow more with browser_memory_max_mb"
        raise InvalidRequest(rule, field=_MEMORY, remedy=remedy)


def _check_browsers(rules: Rules, version: Version, field: str) -> None:
    if version.browser is BrowserNeed.NONE:
        rule = "is for the browser, and this version declares that it uses none"
        raise InvalidRequest(rule, field=field, remedy=_LEAVE_OUT)
    if not rules.browser_memory_mb:
        rule = "is for the browser, and this Fyke gives Workers none"
        raise InvalidRequest(rule, field=field, remedy=_LEAVE_OUT)


def missing_browser(runners: Sequence[RunnerInfo]) -> Reason | None:
    """Why none of ``runners`` has a browser that can be used. None if one has, or still checks
    whether it has, and also without any runner, because then runs wait.
    """
    if not runners or any(runner.has_browser for runner in runners):
        return None
    problem = next((r.browser_problem for r in runners if r.browser_problem), None)
    return Reason.of(ReasonCode.BROWSER_MISSING, problem=problem)


def missing_for_run(
    tx: Transaction, run: Run, runners: Sequence[RunnerInfo] | None = None
) -> Reason | None:
    """Why none of ``runners``, by default the active ones, has the browser that a run needs. None
    as above, and for a run that needs none.
    """
    if not run.browser_required:
        return None
    missing = missing_browser(_active(tx) if runners is None else runners)
    if missing is None or not run.browser_memory_asked:
        return missing
    version = tx.workers.version(run.worker_id, run.version)
    return missing if version is None or _requires(version) else _by_memory(missing)


def missing_for_start(tx: Transaction, version: Version, *, memory_asked: bool) -> Reason | None:
    """As above for a run of ``version``; ``memory_asked``: the start asks for memory for it."""
    requires = _requires(version)
    missing = missing_browser(_active(tx)) if requires or memory_asked else None
    return missing if missing is None or requires else _by_memory(missing)


def _requires(version: Version) -> bool:
    return version.browser is BrowserNeed.REQUIRED


def _by_memory(missing: Reason) -> Reason:
    """The reason for a run that would start without a browser if it asked for no memory for it."""
    return replace(missing, params={**missing.params, "field": _MEMORY})


def check_blocking(tx: Transaction, run: Run) -> None:
    """Raise ``InvalidRequest`` if a run blocks requests, and no active runner has a browser."""
    if run.browser_block and missing_browser(_active(tx)) is not None:
        rule = "is for the browser, and no runner has one that can be used"
        raise InvalidRequest(rule, field=_BLOCK, remedy=f"{_LEAVE_OUT}, or see fyke doctor")


def reserved_where_possible(tx: Transaction, run: Run) -> Run:
    """The run as it is started: without its browser if no active runner has one."""
    if run.browser_required or not run.limits.browser_memory_mb:
        return run
    if missing_browser(_active(tx)) is None:
        return run
    return replace(run, limits=replace(run.limits, browser_cpus=0.0, browser_memory_mb=0))


def _active(tx: Transaction) -> list[RunnerInfo]:
    return tx.runs.runners(tx.now - RUNNER_SILENCE_MS)
