"""Hints after the end of a run: why it has failed or has no rows, and how to fix that. Pure.

A hint is derived from the sites that the proxy refused, what sites have answered, the last error
lines of the log, and the reason. A run of an older release has no reason code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from signal import SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGKILL, SIGSEGV, SIGTRAP

from fyke.domain.runs.sites import SiteUsage
from fyke.model.run import BlockedSite, Outcome, Run, RunState
from fyke.reasons import DetailCode, Hint, HintCode, Reason, ReasonCode

MAX_LINES = 10  # error lines that are searched
_MAX_CHARS = 4_000  # of each line
_CRASHES = frozenset({SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP})


def hint(
    run: Run,
    rows: int,
    error_lines: Sequence[str],
    sites: Sequence[SiteUsage] = (),
    *,
    browser_busy: int = 0,
    short_of_memory: int = 0,
    has_last_page: bool = False,
) -> Hint | None:
    """A hint about the end of ``run``, which has ``rows`` visible rows; None while it is active and
    when there is no hint. ``error_lines``: the last of its log; ``sites``: those it contacted;
    ``browser_busy``: how many of its subtasks failed because no browser was free,
    ``short_of_memory`` of these because the machine had too little memory; ``has_last_page``:
    whether the last page of a browser is kept.
    """
    if not run.state.terminal:
        return None
    busy = browser_busy, short_of_memory
    found = _hint(run, rows, error_lines, sites, busy)
    if found is not None and found.code is HintCode.ELEMENT_MISSING and has_last_page:
        return Hint.of(found.code, run=run.id)
    return found


def _hint(
    run: Run,
    rows: int,
    error_lines: Sequence[str],
    sites: Sequence[SiteUsage],
    busy: tuple[int, int],
) -> Hint | None:
    if run.state is RunState.SUCCEEDED:
        return _of_success(run, rows, error_lines, sites, busy)
    by_code = Hint(_by_reason(run.reason)) if run.reason else None
    if run.reason is not None and run.reason.code in _OF_BROWSER:
        return Hint.of(BY_REASON[run.reason.code], needed_mb=run.reason.params.get("needed_mb"))
    if run.outcome in (Outcome.EXIT_CODE, Outcome.SIGNAL):
        return _from_traces(error_lines, sites) or by_code
    return by_code


def _by_reason(reason: Reason) -> HintCode:
    if reason.params.get("detail_code") == DetailCode.REGISTRY_AWAY:
        return HintCode.REGISTRY_AWAY
    number = reason.params.get("signal")
    if number in _CRASHES:
        return HintCode.CRASHED
    return HintCode.KILLED if number == SIGKILL else BY_REASON[reason.code]


def _of_success(
    run: Run,
    rows: int,
    error_lines: Sequence[str],
    sites: Sequence[SiteUsage],
    busy: tuple[int, int],
) -> Hint | None:
    if not rows:
        return _from_traces(error_lines, sites) or Hint(HintCode.NO_ROWS)
    if run.subtasks_failed:
        return Hint.of(
            HintCode.PARTLY_FAILED,
            failed=run.subtasks_failed,
            subtasks=run.subtasks,
            browser_busy=busy[0] or None,
            short_of_memory=busy[1] or None,
        )
    return None


def _from_traces(lines: Sequence[str], sites: Sequence[SiteUsage]) -> Hint | None:
    """A hint from the log and the sites. Refused sites take precedence over errors of sites, which
    look the same in the log. Without either, what the sites have answered may say it.
    """
    hint = _from_lines(lines)
    if hint is not None and hint.code not in _LIKE_REFUSED:
        return hint
    return _from_sites(sites) or hint or _from_answers(sites)


def _from_lines(lines: Sequence[str]) -> Hint | None:
    """The hint of the newest line with a known message."""
    for line in reversed(lines[-MAX_LINES:]):
        for pattern, code in _BY_MESSAGE:
            if pattern.search(line[:_MAX_CHARS]):
                return Hint(code)
    return None


_OF_BROWSER = frozenset({
    ReasonCode.NO_BROWSER, ReasonCode.BROWSER_BUSY, ReasonCode.BROWSER_FAILED,
    ReasonCode.BROWSER_OUT_OF_MEMORY, ReasonCode.BROWSER_NOT_DECLARED,
})  # fmt: skip
_REFUSALS = frozenset({"401", "403", "429"})  # statuses
_LIKE_REFUSED = frozenset({HintCode.BLOCKED, HintCode.UNREACHABLE, HintCode.UNKNOWN_HOST})

BY_REASON: Mapping[ReasonCode, HintCode] = {
    ReasonCode.EXIT_CODE: HintCode.EXIT_CODE,
    ReasonCode.NO_BROWSER: HintCode.NO_BROWSER,
    ReasonCode.BROWSER_NOT_DECLARED: HintCode.BROWSER_NOT_DECLARED,
    ReasonCode.BROWSER_BUSY: HintCode.BROWSER_BUSY,
    ReasonCode.BROWSER_FAILED: HintCode.BROWSER_FAILED,
    ReasonCode.BROWSER_OUT_OF_MEMORY: HintCode.BROWSER_OUT_OF_MEMORY,
    ReasonCode.SIGNAL: HintCode.SIGNAL,
    ReasonCode.OUT_OF_MEMORY: HintCode.OUT_OF_MEMORY,
    ReasonCode.TIMEOUT: HintCode.TIMEOUT,
    ReasonCode.ABORTED: HintCode.ABORTED,
    ReasonCode.TRAFFIC_CAP: HintCode.TRAFFIC_CAP,
    ReasonCode.ROW_CAP: HintCode.ROW_CAP,
    ReasonCode.DISK_CAP: HintCode.DISK_CAP,
    ReasonCode.CHARGE_ESTIMATE: HintCode.CHARGE_CAP,
    ReasonCode.RUN_CHARGE_CAP: HintCode.CHARGE_CAP,
    ReasonCode.BALANCE_USED_UP: HintCode.BALANCE_USED_UP,
    ReasonCode.ACCOUNT_RUN_CAP: HintCode.CHARGE_CAP,
    ReasonCode.ACCOUNT_MONTH_CAP: HintCode.CHARGE_CAP,
    ReasonCode.BUILDS_NOT_ALLOWED: HintCode.BUILDS_NOT_ALLOWED,
    ReasonCode.BAD_REQUIREMENT: HintCode.REQUIREMENT_REFUSED,
    ReasonCode.PACKAGES_FAILED: HintCode.INSTALL_FAILED,
    ReasonCode.NO_READY_PACKAGE: HintCode.INSTALL_FAILED,
    ReasonCode.PACKAGE_NOT_FOUND: HintCode.PACKAGE_NOT_FOUND,
    ReasonCode.PACKAGES_REFUSED: HintCode.REQUIREMENT_REFUSED,
    ReasonCode.BUILD_FAILED: HintCode.INSTALL_FAILED,
    ReasonCode.INSTALLER_MISSING: HintCode.INSTALLER_NOT_READY,
    ReasonCode.NPM_TOO_OLD: HintCode.INSTALLER_NOT_READY,
    ReasonCode.REGISTRY_LOOPBACK: HintCode.INSTALLER_NOT_READY,
    ReasonCode.REGISTRY_PROXY: HintCode.INSTALLER_NOT_READY,
    ReasonCode.REGISTRY_CREDENTIALS: HintCode.INSTALLER_NOT_READY,
    ReasonCode.REGISTRY_LOGIN: HintCode.INSTALLER_NOT_READY,
    ReasonCode.REGISTRY_SETTINGS: HintCode.INSTALLER_NOT_READY,
    ReasonCode.INSTALL_TIMEOUT: HintCode.INSTALL_TIMEOUT,
    ReasonCode.INSTALL_LIMIT: HintCode.INSTALL_LIMIT,
    ReasonCode.INSTALL_DISK_FULL: HintCode.INSTALLER_NOT_READY,
    ReasonCode.ISOLATION_MISSING: HintCode.ISOLATION_REFUSED,
    ReasonCode.LIMITS_MISSING: HintCode.LIMITS_MISSING,
    ReasonCode.WORKER_DELETED: HintCode.WORKER_DELETED,
    ReasonCode.RUNNER_LOST: HintCode.RUNNER_LOST,
    ReasonCode.PLATFORM_STOPPED: HintCode.RUNNER_LOST,
    ReasonCode.NODE_DRAINED: HintCode.RUNNER_LOST,
    ReasonCode.INTERNAL: HintCode.INTERNAL,
    ReasonCode.NOT_STARTED: HintCode.INTERNAL,
    ReasonCode.VERSION_MISSING: HintCode.INTERNAL,
}

_BY_MESSAGE: tuple[tuple[re.Pattern[str], HintCode], ...] = (
    (re.compile("The Worker pushed no row, but left files"), HintCode.ROWS_NOT_PUSHED),
    (
        re.compile(r"ModuleNotFoundError|No module named|Cannot find module|ERR_MODULE_NOT_FOUND"),
        HintCode.MODULE_MISSING,
    ),
    (
        re.compile(
            r"waiting for (?:locator|selector|get_?by)|no such element|NoSuchElement"
            r"|no (?:element|node) found for selector|failed to find element matching selector"
            r"|ElementNotFoundError|TimeoutException: Message:\s*$"
            r"|\b(?:page|frame|locator|element_?handle)\."
            r"(?!goto|reload|go_?back|go_?forward|wait_?for_?(?:url|load|nav|ev|req|resp|time|func)|set_?content|screenshot"
            r"|pdf|close)\w+: Timeout \d+ms exceeded",
            re.IGNORECASE | re.MULTILINE,
        ),
        HintCode.ELEMENT_MISSING,
    ),
    (
        re.compile(
            r"\b429\b|too many requests|rate.?limit|\b403\b|forbidden|captcha|access denied"
            r"|cloudflare|bot detect",
            re.IGNORECASE,
        ),
        HintCode.BLOCKED,
    ),
    (
        re.compile(
            r"name or service not known|getaddrinfo|ENOTFOUND|name resolution|nodename nor"
            r"|no such host|the name does not exist or has no address",
            re.IGNORECASE,
        ),
        HintCode.UNKNOWN_HOST,
    ),
    (
        re.compile(
            r"connection refused|ECONNREFUSED|connection reset|ECONNRESET|timed? ?out|ETIMEDOUT"
            r"|proxy ?error|network is unreachable|ERR_TUNNEL_CONNECTION_FAILED|ERR_PROXY",
            re.IGNORECASE,
        ),
        HintCode.UNREACHABLE,
    ),
    (
        re.compile(r"\b404\b|page not found", re.IGNORECASE),
        HintCode.PAGE_MISSING,
    ),
    (
        re.compile(r"KeyError|TypeError|AttributeError|IndexError|undefined|NoneType|JSONDecode"),
        HintCode.OTHER_PAGE,
    ),
)


def _from_sites(sites: Sequence[SiteUsage]) -> Hint | None:
    """A hint about refused sites, None when they cannot be the cause."""
    reached = any(site.traffic.requests for site in sites)
    undeclared = _blocked(sites, {BlockedSite.UNDECLARED})
    if undeclared:
        return Hint(HintCode.UNDECLARED_SITES, {"some" if reached else "sites": undeclared})
    refused = _blocked(sites, {BlockedSite.NOT_PUBLIC, BlockedSite.RULE})
    if refused and not reached:
        private = refused if refused == _blocked(sites, {BlockedSite.NOT_PUBLIC}) else None
        return Hint.of(HintCode.REFUSED_SITES, sites=refused, private=private)
    return None


def _from_answers(sites: Sequence[SiteUsage]) -> Hint | None:
    """A hint about sites that have refused at least half of the requests that got an answer. One
    that Fyke could not read is none of a refusal.
    """
    answers = [answer for site in sites for answer in site.answers]
    refused = sum(count for status, count in answers if status in _REFUSALS)
    unseen = sum(site.traffic.unseen for site in sites)
    is_refused = refused and 2 * refused >= sum(count for _, count in answers) + unseen
    return Hint(HintCode.BLOCKED) if is_refused else None


def _blocked(sites: Sequence[SiteUsage], reasons: set[BlockedSite]) -> list[str]:
    return [site.traffic.domain for site in sites if site.block_reason in reasons]
