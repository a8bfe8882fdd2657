"""The page ``diagnosis.md``: why a run ended as it did, and what to do. English; pure.

Texts of Workers and sites are shown as code, in one line or in a block that they cannot end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fyke.api.diagnosis.markdown import Markdown, table
from fyke.api.diagnosis.tables import SeenEntry
from fyke.domain.runs.diagnosis import MAX_SUBTASKS, Diagnosis
from fyke.domain.runs.sites import SiteUsage
from fyke.domain.runs.subtask_reader import SubtaskView
from fyke.domain.workers.secret_inputs import MAX_VALUE_CHARS, MAX_VALUES
from fyke.domain.workers.secret_rules import MIN_VALUE_CHARS
from fyke.kit.decimals import duration
from fyke.kit.spreadsheets import exact_usd, iso_time
from fyke.model.run import Attempt, Outcome, Run, RunLimits
from fyke.reasons import Reason, cause, machine_names, next_step, sentence
from fyke.wire.v2.status import STATUS_BY_STATE

PICTURE = "last-page.jpg"
MAX_LISTED = 10  # subtasks, sites, requests


@dataclass
class ArchiveNotes:
    """What was found while the archive was written: ``files`` is a sentence by name, ``failed``
    the first subtasks that failed, ``requests`` those of the last page that failed.
    """

    files: dict[str, str] = field(default_factory=dict)
    failed: list[SubtaskView] = field(default_factory=list)
    requests: list[SeenEntry] = field(default_factory=list)


def report(diagnosis: Diagnosis, notes: ArchiveNotes, now: int) -> str:
    """The page. ``now`` in milliseconds."""
    mark = Markdown(diagnosis.masker.text)
    parts = [_head(diagnosis, mark, now), *_why(diagnosis, mark), *_facts(diagnosis, mark)]
    if diagnosis.secrets.known:
        parts += [
            *_failed(notes.failed, diagnosis, mark),
            *_errors(diagnosis, mark),
            *_sites(diagnosis.traffic.sites, mark),
            *_browser(diagnosis, notes, mark),
        ]
    parts += [*_files(notes), *_about_secrets(diagnosis, notes)]
    return diagnosis.masker.text("\n\n".join(part for part in parts if part) + "\n")


def _head(diagnosis: Diagnosis, mark: Markdown, now: int) -> str:
    view = diagnosis.view
    state = STATUS_BY_STATE[view.run.state]
    when = f"Written {iso_time(now)}." + (
        "" if view.run.state.terminal else " The run was still active, so all figures are so far."
    )
    return (
        f"# Run {view.run.id}: {state}\n\n{mark.code(view.worker.path)} {view.run.version}. {when}"
    )


def _why(diagnosis: Diagnosis, mark: Markdown) -> Iterable[str]:
    run = diagnosis.view.run
    hint = diagnosis.ending.hint if diagnosis.secrets.known else None
    yield "## Cause"
    lines = []
    waits = diagnosis.waits.reason
    if run.state.terminal and (run.reason or run.err_msg):
        text = sentence(run.reason) if run.reason else run.err_msg
        if diagnosis.secrets.known:
            lines.append(f"* Reason: {mark.escaped(text)}")
        if run.reason:
            lines.append(f"* Code: `{run.reason.code.value}`")
            if diagnosis.secrets.known:
                lines += _parameters(run.reason, mark)
    elif waits is not None:
        lines += [f"* It waits: {mark.escaped(sentence(waits))}", f"* Code: `{waits.code.value}`"]
    if hint is not None:
        lines.append(f"* Likely cause: {mark.escaped(cause(hint))}")
    if not lines:
        lines.append(_without_reason(run))
    yield "\n".join(lines)
    if hint is not None:
        yield f"## What to do\n\n{mark.escaped(next_step(hint))}."


def _without_reason(run: Run) -> str:
    if not run.state.terminal:
        return "* The run is active."
    succeeded = run.outcome is Outcome.SUCCEEDED
    return "* Nothing failed." if succeeded else "* No reason was stored."


def _parameters(reason: Reason, mark: Markdown) -> Iterable[str]:
    """The exact values, such as exit code and last words."""
    for name, value in reason.params.items():
        yield f"* {name}: {mark.code(value)}"


def _facts(diagnosis: Diagnosis, mark: Markdown) -> Iterable[str]:
    view, usage = diagnosis.view, diagnosis.usage
    run, limits = view.run, view.run.limits
    yield "## Facts"
    memory = f"{_megabytes(usage.memory_peak_bytes)} at most, of {limits.memory_mb} MB allowed"
    rows = [
        ("Accepted", iso_time(run.created_at)),
        ("Started", iso_time(run.started_at) or "not yet"),
        ("Ended", iso_time(run.finished_at) or "not yet"),
        (
            "Duration",
            f"{duration(run.duration_ms(view.now))}, limit {limits.timeout_s} s a subtask",
        ),
        ("Rows", f"{view.results} shown, {diagnosis.hidden_rows} hidden"),
        (
            "Subtasks",
            f"{run.subtasks}: {run.subtasks_succeeded} succeeded, {run.subtasks_failed} failed",
        ),
        ("Memory of an attempt", memory),
        ("CPU time", f"{usage.cpu_ms / 1000:.1f} s, {limits.cpus:g} cores allowed"),
        ("Traffic", f"{view.traffic_bytes} bytes" + _traffic_cap(limits)),
        ("Cost", f"{exact_usd(usage.usage_micros)} USD" + _charge_cap(limits)),
        ("Log entries", str(diagnosis.log_lines)),
    ]
    if diagnosis.environment is not None:
        found = diagnosis.environment
        shown = found.reason if diagnosis.secrets.known else None
        text = found.state.value + (f": {sentence(shown)}" if shown else "")
        rows.append(("Dependencies of the version", text))
    if diagnosis.nodes:
        rows.append(("Machines", ", ".join(machine_names(diagnosis.nodes))))
    yield table(("fact", "value"), [(name, mark.cell(value)) for name, value in rows])


def _traffic_cap(limits: RunLimits) -> str:
    return f", cap {limits.max_traffic_bytes} bytes" if limits.max_traffic_bytes else ", no cap"


def _charge_cap(limits: RunLimits) -> str:
    cap = limits.max_charge_micros
    return f", cap {exact_usd(cap)} USD" if cap else ", no cap"


def _failed(views: Sequence[SubtaskView], diagnosis: Diagnosis, mark: Markdown) -> Iterable[str]:
    if not views:
        return
    yield "## Subtasks that failed"
    rows = []
    for view in views:
        last = view.attempts[-1] if view.attempts else None
        rows.append(
            (
                str(view.subtask.ordinal + 1),
                mark.code(view.summary),
                view.subtask.outcome.value if view.subtask.outcome else "",
                mark.code(view.subtask.err_msg),
                str(len(view.attempts)),
                _run_time(last),
            )
        )
    yield table(("number", "input", "outcome", "reason", "attempts", "last attempt"), rows)
    run = diagnosis.view.run
    if run.subtasks_failed > len(views):
        first = f" of the first {MAX_SUBTASKS} subtasks" * (run.subtasks > MAX_SUBTASKS)
        yield (
            f"These are {len(views)} of {run.subtasks_failed}; `attempts.json` has the others"
            f"{first}."
        )


def _run_time(attempt: Attempt | None) -> str:
    if attempt is None:
        return ""
    peak = _megabytes(attempt.memory_peak_bytes)
    return f"{duration(attempt.busy_ms)}, {peak}, {attempt.rows} rows"


def _megabytes(count: int) -> str:
    """Memory in MB of 1,048,576 bytes, as its limits are."""
    return f"{count / 2**20:.0f} MB"


def _errors(diagnosis: Diagnosis, mark: Markdown) -> Iterable[str]:
    if diagnosis.ending.errors:
        yield "## Last errors in the log"
        yield mark.block("\n".join(line.content for line in diagnosis.ending.errors))


def _sites(sites: Sequence[SiteUsage], mark: Markdown) -> Iterable[str]:
    troubled = [
        site for site in sites if site.traffic.failures or site.traffic.refused or site.errors
    ]
    if not sites:
        yield "## Sites\n\nThe run has connected to no site."
        return
    yield "## Sites"
    if not troubled:
        yield f"{len(sites)} sites, all of which could be reached; see `sites.csv`."
        return
    troubled.sort(key=lambda site: -(site.traffic.failures + site.traffic.refused + site.errors))
    yield table(
        ("site", "requests", "answers", "failed", "refused", "why"),
        [
            (
                mark.code(site.traffic.domain),
                str(site.traffic.requests),
                ", ".join(f"{status}: {count}" for status, count in site.answers) or "-",
                str(site.traffic.failures),
                str(site.traffic.refused),
                site.block_reason.value if site.block_reason else "",
            )
            for site in troubled[:MAX_LISTED]
        ],
    )
    yield (
        f"{len(troubled)} of {len(sites)} sites had failures, refusals or answers with an error; "
        "see `sites.csv`."
    )


def _browser(diagnosis: Diagnosis, notes: ArchiveNotes, mark: Markdown) -> Iterable[str]:
    browser = diagnosis.browser
    if browser is None:
        return
    yield "## Browser"
    statuses = ", ".join(f"{count} {name}" for name, count in browser.by_status) or "not reported"
    lines = [
        f"* Program: {mark.code(browser.version)}",
        f"* Requests by status: {statuses}",
        f"* Pages: {browser.activity.pages}, of which {browser.activity.crashes} crashed",
    ]
    page = diagnosis.last_page
    if page is not None:
        lines.append(f"* Last page: {mark.code(page.page.url)}, {mark.code(page.page.title)}")
        lines += [f"* No {kind.value}: {gap.value}" for kind, gap in page.page.gaps.items()]
    yield "\n".join(lines)
    if notes.requests:
        yield "Requests of the last page that failed, the latest ones:"
        yield table(
            ("status", "request", "error", "ms"),
            [
                (
                    str(entry.response.status),
                    mark.code(f"{entry.request.method} {entry.request.url}"),
                    mark.code(entry.response.error),
                    f"{entry.time:.0f}",
                )
                for entry in notes.requests[-MAX_LISTED:]
            ],
        )


def _files(notes: ArchiveNotes) -> Iterable[str]:
    yield "## Files"
    yield table(("file", "content"), [(f"`{name}`", text) for name, text in notes.files.items()])


def _about_secrets(diagnosis: Diagnosis, notes: ArchiveNotes) -> Iterable[str]:
    yield "## Secrets"
    if not diagnosis.secrets.known:
        yield (
            "The input, or its schema, is too large or complex to find the secrets in it, which "
            "may be in any text of the run. So the input, the log, the last page, subtasks, sites "
            "and the texts of reasons are left out. `fyke run logs` and the console have them."
        )
        return
    others = diagnosis.secrets.others
    yield (
        "The values of the secrets of the Worker were masked when its output was stored. In the "
        "input, values of fields that ask for a secret, or are named like one, are replaced by "
        "`***`, also in JSON, addresses and headers within a text, and wherever else they occur in "
        "these files by `***NAME***`, or by `***` if that is longer than the value."
    )
    yield (
        "A secret in a field that does not ask for one, such as a note, cannot be found: it is "
        "shown wherever it occurs. Look at `input.json` and `log.txt` before you pass them on."
    )
    if others:
        yield (
            f"Only the first {MAX_VALUES} values of {MIN_VALUE_CHARS} to {MAX_VALUE_CHARS} "
            f"characters are searched for. The input has others ({others}), which may be in these "
            "files."
        )
    if PICTURE in notes.files:
        yield (
            "The picture of the last page is as the site showed it: look at it before you pass "
            "it on."
        )
