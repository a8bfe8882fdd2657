"""After the end: why a run brought nothing or failed, and what to do next, in words.

Pure. It judges by the outcome first, then by which sites the proxy refused, then by what the last
error lines of the log say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fyke.domain.runs.site_hints import Hint, hint_of_sites
from fyke.domain.runs.sites import SiteUsage
from fyke.model.run import Outcome, Run, RunState

MOST_LINES = 10  # error lines that are looked at
_MOST_CHARS = 4_000  # of each


def hint(
    run: Run, rows: int, error_lines: Sequence[str], sites: Sequence[SiteUsage] = ()
) -> Hint | None:
    """What to tell about the end of ``run`` with ``rows`` visible rows; None while it is under
    way, and when there is nothing to say. ``error_lines``: the last ones of its log; ``sites``:
    those that it had to do with.
    """
    if not run.state.terminal:
        return None
    if run.state is RunState.SUCCEEDED:
        return _of_success(run, rows, error_lines, sites)
    outcome = run.outcome or Outcome.INTERNAL
    if outcome in (Outcome.EXIT_CODE, Outcome.SIGNAL):
        return _from_traces(error_lines, sites) or _BY_OUTCOME[outcome]
    refused = _BY_REFUSAL.get(outcome, ())
    return next((h for words, h in refused if words in run.err_msg), _BY_OUTCOME[outcome])


def _of_success(
    run: Run, rows: int, error_lines: Sequence[str], sites: Sequence[SiteUsage]
) -> Hint | None:
    if not rows:
        return _from_traces(error_lines, sites) or _NO_ROWS
    if run.subtasks_failed:
        return Hint(
            "partly_failed",
            f"{run.subtasks_failed} of {run.subtasks} subtasks failed; the rows are those of the "
            "others",
            "Look at the subtasks for what went wrong, and run those parts again",
        )
    return None


def _from_traces(lines: Sequence[str], sites: Sequence[SiteUsage]) -> Hint | None:
    """What the proxy refused explains errors that look as if the site had."""
    said = _from_lines(lines)
    if said is not None and said.code not in _LIKE_REFUSED:
        return said
    return hint_of_sites(sites) or said


def _from_lines(lines: Sequence[str]) -> Hint | None:
    """The newest line that says something known."""
    for line in reversed(lines[-MOST_LINES:]):
        for pattern, found in _BY_WORDS:
            if pattern.search(line[:_MOST_CHARS]):
                return found
    return None


_LIKE_REFUSED = frozenset({"blocked", "unreachable", "unknown_host"})
_WHERE = "in fyke doctor and in the console (Admin, Isolation)"
NO_LIMITS = "no-limits"  # ``contracts.Isolation``, as the sentence spells it

_NO_ROWS = Hint(
    "no_rows",
    "The Worker ended well and pushed no row",
    "Check that the input names pages that exist, open one of them by hand, and read the log: a "
    "site that answers with another page than expected often leaves nothing to collect",
)

_BY_OUTCOME: dict[Outcome, Hint] = {
    Outcome.SUCCEEDED: _NO_ROWS,
    Outcome.EXIT_CODE: Hint(
        "exit_code",
        "The Worker's program ended with an error of its own",
        "Read the last lines of its log; when they name a place in its code, that is where to look",
    ),
    Outcome.SIGNAL: Hint(
        "signal",
        "The Worker's program was ended from outside or crashed",
        "Run it again with more memory; when it crashes again, its native libraries are suspect",
    ),
    Outcome.OUT_OF_MEMORY: Hint(
        "out_of_memory",
        "The Worker needed more memory than its device has",
        "Run it again with more memory, or give it fewer pages at once",
    ),
    Outcome.TIMEOUT: Hint(
        "timeout",
        "The run took longer than its time limit",
        "Raise the time limit in the run options, or give it fewer pages; its rows are kept",
    ),
    Outcome.ABORTED: Hint(
        "aborted",
        "Somebody stopped the run",
        "Its rows are kept; run it again to collect the rest",
    ),
    Outcome.TRAFFIC_CAP: Hint(
        "traffic_cap",
        "The run used up the traffic that it was allowed",
        "Raise the traffic limit in the run options, or give it fewer pages; its rows are kept",
    ),
    Outcome.CHARGE_CAP: Hint(
        "charge_cap",
        "The run would have cost more than it was allowed to",
        "Raise the maximum charge in the run options, or the account's caps when it was these, or "
        "give it fewer pages; its rows are kept",
    ),
    Outcome.ROW_CAP: Hint(
        "row_cap",
        "The run has as many rows as one run may have",
        "Split the input over several runs; the rows are kept",
    ),
    Outcome.DISK_CAP: Hint(
        "disk_cap",
        "The Worker's files took more space than a run has",
        "Let the Worker delete what it has read, or give it fewer pages; its rows are kept",
    ),
    Outcome.INSTALL_FAILED: Hint(
        "install_failed",
        "The Worker's dependencies could not be installed",
        "Read the installer's lines in the log; pin the version that it names, and publish a new "
        "version of the Worker",
    ),
    Outcome.ISOLATION_REFUSED: Hint(
        "isolation_refused",
        "A wall of the sandbox does not hold on this machine, so no Worker may run on it",
        f"The operator finds the wall {_WHERE}, each with the way to put it up; then run it again",
    ),
    Outcome.WORKER_DELETED: Hint(
        "worker_deleted",
        "The Worker was deleted before the run began",
        "Choose another Worker",
    ),
    Outcome.RUNNER_LOST: Hint(
        "runner_lost",
        "The machine that carried out the run was lost",
        "Run it again; its rows until then are kept. It was not the Worker's fault",
    ),
    Outcome.INTERNAL: Hint(
        "internal",
        "The platform failed, not the Worker",
        "Run it again; when it fails again, tell the operator the id of the run",
    ),
}

# the same outcome for different reasons, told apart by words of its sentence
_BY_REFUSAL: dict[Outcome, tuple[tuple[str, Hint], ...]] = {
    Outcome.ISOLATION_REFUSED: (
        (
            f'at level "{NO_LIMITS}"',
            Hint(
                "isolation_refused",
                "This machine cannot limit cpu and memory hard, so it runs the operator's own "
                "Workers and no others",
                f"The operator finds what is missing {_WHERE}, with the way to add it; then run it "
                "again, or on a machine whose level is full",
            ),
        ),
    ),
    Outcome.INSTALL_FAILED: (
        (
            "has not allowed that for this Worker",
            Hint(
                "builds_not_allowed",
                "The Worker's dependencies would run code while they are installed, and that is "
                "not allowed for it",
                "Ask the operator to allow that (fyke worker builds, or its tab Versions), "
                "or publish a version that needs ready-made packages only",
            ),
        ),
    ),
}

_BY_WORDS: tuple[tuple[re.Pattern[str], Hint], ...] = (
    (
        re.compile(r"ModuleNotFoundError|No module named|Cannot find module|ERR_MODULE_NOT_FOUND"),
        Hint(
            "module_missing",
            "The Worker imports a library that is not installed",
            "Name it in the Worker's requirements.txt or package.json and publish a new version",
        ),
    ),
    (
        re.compile(
            r"\b429\b|too many requests|rate.?limit|\b403\b|forbidden|captcha|access denied"
            r"|cloudflare|bot detect",
            re.IGNORECASE,
        ),
        Hint(
            "blocked",
            "The site refused the requests",
            "Ask for fewer pages at once, choose another region in the run options, or wait a "
            "while before the next run",
        ),
    ),
    (
        re.compile(
            r"name or service not known|getaddrinfo|ENOTFOUND|name resolution|nodename nor"
            r"|no such host",
            re.IGNORECASE,
        ),
        Hint(
            "unknown_host",
            "The name of a site could not be found",
            "Check the addresses in the input for a slip of the pen",
        ),
    ),
    (
        re.compile(
            r"connection refused|ECONNREFUSED|connection reset|ECONNRESET|timed? ?out|ETIMEDOUT"
            r"|proxy ?error|network is unreachable",
            re.IGNORECASE,
        ),
        Hint(
            "unreachable",
            "A site could not be reached",
            "Open it by hand to see whether it is there; then run again, perhaps by another region",
        ),
    ),
    (
        re.compile(r"\b404\b|page not found", re.IGNORECASE),
        Hint(
            "page_missing",
            "A page in the input is not there",
            "Check the addresses in the input",
        ),
    ),
    (
        re.compile(r"KeyError|TypeError|AttributeError|IndexError|undefined|NoneType|JSONDecode"),
        Hint(
            "other_page",
            "The Worker met data in a form that it does not know",
            "The site may have changed: look at the line that the log names, and mend the Worker",
        ),
    ),
)
