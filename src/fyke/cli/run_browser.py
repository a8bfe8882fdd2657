"""``fyke run browser``: what the browsers of a run did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fyke.cli import formatting
from fyke.cli.context import ServerContext, server_command
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.output import Output, data_of
from fyke.cli.output_file import output_file
from fyke.cli.run import RunArgument, runs

if TYPE_CHECKING:
    from fyke_client.types.fyke.run_browser import LastPageItem, RunBrowserReport

GAPS = {
    "no_page": "no page was open",
    "gone": "it was closed before it could be taken",
    "no_answer": "the page did not answer in time",
    "crashed": "the page had crashed",
    "dialog": "the page had a dialog open, see the messages",
    "too_large": "it is too large",
}
KINDS = {"screenshot": "picture", "html": "HTML"}
SUFFIXES = {"screenshot": "jpg", "html": "html.txt", "har": "har", "console": "console.txt"}


@server_command(runs, "browser")
def browser(
    server: ServerContext,
    run: RunArgument,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save",
            metavar="DIR",
            help="Write the files of the last pages to DIR, which is created if it is missing.",
        ),
    ] = None,
) -> None:
    """Show what the browsers of a run did: requests by type and status, console messages, pages.

    With --save also write the files of the last pages: picture, HTML, requests (HAR), console.
    Secrets are masked, except in pictures.

    \b
    Examples:
      fyke run browser 01JG...
      fyke run browser 01JG... --save pages
      fyke run browser 01JG... --json | jq '.requests'
    """
    report = server.client.browser(run)
    if save is not None:
        _save(server, run, report, save)
    out = server.out
    if out.as_json:
        out.json(data_of(report))
        return
    if report.state == "none":
        out.say("No attempt of this run has had a browser.")
        return
    show_report(out, report)


def show_report(out: Output, report: RunBrowserReport) -> None:
    """Write what the browsers of a run did, for people."""
    own_sandbox = {True: "yes", False: "no", None: "not known"}[report.own_sandbox]
    pairs: list[tuple[str, object]] = [
        ("browser", f"{report.program} {report.version}".strip()),
        ("windows", "yes" if report.headful else "no"),
        ("state", report.state),
        ("own sandbox", own_sandbox),
        ("starts", report.starts),
        ("time", formatting.span(report.ms / 1000)),
        ("peak memory", formatting.memory(report.memory_peak)),
        ("pages", report.pages),
        ("crashed", report.crashes),
        ("statuses", ", ".join(f"{item.count} {item.status}" for item in report.statuses) or "-"),
        ("console", ", ".join(f"{item.count} {item.level}" for item in report.console) or "-"),
        *(("last page", url) for url in report.urls[-1:]),
        *((("does not load", ", ".join(report.block)),) if report.block else ()),
    ]
    out.fields(pairs)
    # those that were blocked are known in any case
    reported = bool(report.statuses) or any(x.count > x.blocked for x in report.requests)
    if report.requests:
        out.raw("")
        columns = ["type", "requests", "from cache", "received"]
        columns += ["blocked"] if report.block else []
        rows = [
            (
                item.type,
                item.count if reported else "-",
                item.cached,
                formatting.size(item.received),
                *((item.blocked,) if report.block else ()),
            )
            for item in report.requests
        ]
        out.table(columns, rows)
        if load := report.unblocked:
            out.say(
                f"The last run of this version that did not block ({load.run_slug}) received "
                f"{formatting.size(load.received)} in {load.requests} such requests."
            )
    if not reported:
        not_enabled = "Worker's client does not enable the events from which requests are counted."
        none_opened = f"No request was reported: no page was opened, or the {not_enabled}"
        out.say(f"The {not_enabled}" if report.pages else none_opened)
    if report.last_pages:
        out.raw("")
        pages = [
            (page.subtask, page.url or "-", _files(page), _missing(page), _until(page))
            for page in report.last_pages
        ]
        out.table(("subtask", "last page", "kept", "missing", "until"), pages)
    if report.lines:
        out.raw("")
        lines = [
            (formatting.when(x.timestamp // 1000), x.level, x.text, x.source) for x in report.lines
        ]
        out.table(("time", "level", "message", "source"), lines)


def _files(page: LastPageItem) -> str:
    return ", ".join(file.kind for file in page.files) or "-"


def _missing(page: LastPageItem) -> str:
    """What could not be taken, by reason."""
    kinds: dict[str, list[str]] = {}
    for gap in page.missing:
        kinds.setdefault(gap.reason, []).append(KINDS.get(gap.kind, gap.kind))
    texts = [f"{' and '.join(names)}: {GAPS.get(why, why)}" for why, names in kinds.items()]
    return "; ".join(texts) or "-"


def _until(page: LastPageItem) -> str:
    return formatting.when(page.kept_until // 1000) if page.kept_until else "-"


def _save(server: ServerContext, run: str, report: RunBrowserReport, folder: Path) -> None:
    """Write the files of all last pages into the folder, which is created if there are any."""
    files = [(page, file.kind) for page in report.last_pages for file in page.files]
    if not files:
        server.out.say("No last page of this run is kept.")
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandFailed(f"--save {folder}: {error.strerror}", Exit.USAGE) from None
    for page, kind in files:
        data = server.client.page_file(run, page.attempt, kind)
        with output_file(folder / f"{run}-{page.subtask}.{SUFFIXES.get(kind, 'bin')}") as target:
            target.write(data)
    server.out.say(f"The files of the last pages are in {folder}.")
