"""Decides whether a run gets a browser on the active runners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fyke.contracts.state import Transaction
from fyke.domain.runs.isolation import active_runners
from fyke.domain.runs.transitions import Rules
from fyke.domain.workers.parameters import ParsedInput
from fyke.errors import InvalidRequest
from fyke.model.browser import ANY_CHOICE, BrowserChoice, BrowserMode, BrowserProgram
from fyke.model.run import Run, RunLimits
from fyke.model.runner import RunnerInfo
from fyke.model.worker import BrowserNeed, Version
from fyke.reasons import Reason, ReasonCode

_SYSTEM = "input.parameters.system."
_BLOCK = f"{_SYSTEM}browser_block"
_LEAVE_OUT = "leave it out"


def choice_at_start(version: Version, asked: BrowserChoice) -> BrowserChoice:
    """What a run of ``version`` asks of its browser: what its start asks, else what the version
    declares. A program without windows is no start with windows.
    """
    declared = version.browser is BrowserNeed.HEADFUL and asked.mode is BrowserMode.UNSET
    if not declared or asked.asked is BrowserProgram.HEADLESS_SHELL:
        return asked
    return replace(asked, mode=BrowserMode.HEADFUL)


def asking_option(choice: BrowserChoice, *, memory_asked: bool) -> str:
    """The option by which a start asks for a browser; "" when it asks for none."""
    if memory_asked:
        return "browser_memory"
    if choice.headful:
        return "browser"
    return "browser_program" if choice.asked else ""


def is_required(version: Version, parsed: ParsedInput) -> bool:
    """Whether a run of ``version`` with this input starts only where there is a browser."""
    return bool(_option_of(parsed)) or version.browser.certain


def limits_at_start(rules: Rules, version: Version, parsed: ParsedInput) -> RunLimits:
    """The limits of a run of ``version`` at its start: with a browser if the version reserves one,
    or if the start asks for memory, windows or a program. Raise ``InvalidRequest`` when it may not,
    or may not block requests.
    """
    limits = parsed.limits
    option = _option_of(parsed)
    if option or parsed.browser_block:
        _check_possible(rules, version, option or "browser_block")
    if limits.browser_memory_mb > rules.browser_memory_max_mb:
        raise InvalidRequest(
            f"must be at most {rules.browser_memory_max_mb} MB",
            field=f"{_SYSTEM}browser_memory",
            remedy="ask for less; the operator can allow more with browser_memory_max_mb",
        )
    return rules.with_browser(limits) if option or version.reserves_browser else limits


def _option_of(parsed: ParsedInput) -> str:
    return asking_option(parsed.browser, memory_asked=parsed.limits.browser_memory_mb > 0)


def _check_possible(rules: Rules, version: Version, option: str) -> None:
    """Raise ``InvalidRequest`` when runs of ``version`` have no browser, for which this option
    asks.
    """
    if version.browser is BrowserNeed.NONE:
        rule = "is for the browser, and this version declares that it uses none"
    elif not rules.browser_memory_mb:
        rule = "is for the browser, and this Fyke gives Workers none"
    else:
        return
    raise InvalidRequest(rule, field=f"{_SYSTEM}{option}", remedy=_LEAVE_OUT)


def missing_browser(
    runners: Sequence[RunnerInfo], choice: BrowserChoice = ANY_CHOICE
) -> Reason | None:
    """Why none of ``runners`` has a browser that can be used, and is as ``choice`` says. None if
    one has, or still checks whether it has, and also without any runner, because then runs wait.
    """
    problems = [runner.offer.problem_with(choice) for runner in runners if runner.has_browser]
    if not runners or "" in problems:
        return None
    if problems:
        return Reason.of(ReasonCode.BROWSER_CHOICE_MISSING, problem=problems[0])
    problem = next((r.browser_problem for r in runners if r.browser_problem), None)
    return Reason.of(ReasonCode.BROWSER_MISSING, problem=problem)


def missing_for_run(
    tx: Transaction, run: Run, runners: Sequence[RunnerInfo] | None = None
) -> Reason | None:
    """Why none of ``runners``, by default the active ones of its pool, has the browser that a run
    needs. None as above, and for a run that needs none.
    """
    if not run.browser_required:
        return None
    choice = run.browser_choice
    if runners is None:
        runners = active_runners(tx, run.pool)
    missing = missing_browser(runners, choice)
    option = asking_option(choice, memory_asked=run.browser_memory_asked)
    if missing is None or not option:
        return missing
    version = tx.workers.version(run.worker_id, run.version)
    certain = version is None or version.browser.certain
    return missing if certain else _by_option(missing, option)


def missing_for_start(
    tx: Transaction, rules: Rules, version: Version, parsed: ParsedInput | None
) -> Reason | None:
    """As above for a run of ``version`` with this input, None for one that cannot be read."""
    option = _option_of(parsed) if parsed else ""
    if not option and not version.browser.certain:
        return None
    choice = choice_at_start(version, parsed.browser if parsed else ANY_CHOICE)
    pool = parsed.pool if parsed else ""
    missing = missing_browser(active_runners(tx, pool or rules.default_pool), choice)
    if missing is None or version.browser.certain:
        return missing
    return _by_option(missing, option)


def _by_option(missing: Reason, option: str) -> Reason:
    """The reason for a run that would start without a browser if it did not ask for one."""
    if missing.code is not ReasonCode.BROWSER_MISSING:
        return missing
    return replace(missing, params={**missing.params, "field": f"{_SYSTEM}{option}"})


def check_blocking(tx: Transaction, run: Run) -> None:
    """Raise ``InvalidRequest`` if a run blocks requests, and no active runner of its pool has a
    browser.
    """
    if run.browser_block and missing_browser(active_runners(tx, run.pool)) is not None:
        rule = "is for the browser, and no runner has one that can be used"
        raise InvalidRequest(rule, field=_BLOCK, remedy=f"{_LEAVE_OUT}, or see fyke doctor")


def reserved_where_possible(tx: Transaction, run: Run) -> Run:
    """The run as it is started: without its browser if no active runner of its pool has one."""
    if run.browser_required or not run.limits.browser_memory_mb:
        return run
    if missing_browser(active_runners(tx, run.pool)) is None:
        return run
    return replace(run, limits=replace(run.limits, browser_cpus=0.0, browser_memory_mb=0))
