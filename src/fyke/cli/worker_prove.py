"""``fyke worker prove``: compare the rows of a local run with those of a run on the platform."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fyke.cli import formatting
from fyke.cli import run_options as options
from fyke.cli.context import ServerContext, server_command
from fyke.cli.errors import Exit
from fyke.cli.local_series import SeriesOptions, project_examples, run_examples, show_log
from fyke.cli.output import Output, to_json
from fyke.cli.worker import Ref, read_archive, workers
from fyke.cli.worker_test import BuildsOption, LogOption

if TYPE_CHECKING:
    from fyke.cli.local_series import ExampleRun
    from fyke.domain.results.difference import RowDifference
    from fyke_client.types.v1 import RunDetail

MAX_SHOWN = 5  # rows of each kind
MAX_DATA = 100  # rows of each kind with --json
MAX_WIDTH = 200  # characters of a row


@server_command(workers, "prove")
@options.with_run_options(options.LOCAL_OPTIONS)
def prove(
    server: ServerContext,
    worker: Ref,
    project: Annotated[
        Path | None,
        typer.Option(
            "--project", help="Folder or ZIP; default: the current folder.", metavar="DIR|ZIP"
        ),
    ] = None,
    example: Annotated[
        str,
        typer.Option("--example", help="The example to run; default: the first.", metavar="NAME"),
    ] = "",
    ignore: Annotated[
        str,
        typer.Option(
            "--ignore", help="Columns that are not compared, such as a time.", metavar="A,B"
        ),
    ] = "",
    version: options.VersionOption = "",
    run_options: options.GivenOptions = options.NO_OPTIONS,
    log: LogOption = False,
    allow_builds: BuildsOption = False,
    timeout_seconds: options.WaitSecondsOption = None,
) -> None:
    """Run an example locally and on the platform, and compare the rows. Exit status 1 if they
    differ.

    The project in the current folder, or that of --project, runs on this machine, the Worker on
    the platform, with the same input and options. Rows are compared by content, in any order. If
    the project's files differ from the published version, a message says so.

    \b
    Examples:
      fyke worker prove owner/hello
      fyke worker prove owner/prices --project ./prices --example first --ignore fetched_at,price
      fyke worker prove owner/hello --json | jq .fields
    """
    from fyke.cli.run_watch import RunWatch
    from fyke.domain.results.difference import compare

    archive, _ = read_archive(project or Path())
    [chosen] = project_examples(archive, [example] if example else [])[:1]
    _report_other_files(server, worker, version, archive)
    system = chosen.system | run_options
    slug = server.client.start(worker, chosen.custom, system=system, version=version)
    how = SeriesOptions(run_options, server.home, allow_builds, log)
    try:
        [local] = run_examples(archive, [chosen], how)
    except BaseException:
        server.out.say(f'The run {slug} continues; stop it with "fyke run abort {slug}".')
        raise
    server.out.say(f"Waiting for the run {slug} on the platform ...")
    remote = RunWatch(server, slug, timeout_seconds, None).until_end()
    if local.problem and not log:
        show_log(server.out, local)
    ignored = [name.strip() for name in ignore.split(",") if name.strip()]
    rows = list(server.client.rows(slug))
    difference = compare(local.rows, rows, ignored)
    problems = _problems(local, remote) or _no_rows(local.rows, rows)
    if server.out.as_json:
        server.out.json(_data(local, remote, len(rows), difference, problems))
    else:
        for problem in problems:
            server.out.line(problem, "red")
        _show(server.out, difference)
    if problems or not difference.is_empty:
        raise typer.Exit(Exit.FAILED)


def _report_other_files(server: ServerContext, worker: str, version: str, archive: bytes) -> None:
    """Say that the version on the platform has other files, if this key may see its digest."""
    from fyke.domain.workers.project import read_project
    from fyke_client import ApiError

    digest = read_project(archive).digest
    try:
        versions = server.client.versions(worker)
    except ApiError as error:
        if error.status in (403, 404):  # the start says whether there is such a Worker
            return
        raise
    found = next((v for v in versions if v.version == version or (not version and v.latest)), None)
    if found is not None and found.digest != digest:
        server.out.say(
            f"The version {found.version} on the platform has other files than this project; "
            '"fyke worker push" publishes these.'
        )


def _problems(local: ExampleRun, remote: RunDetail) -> list[str]:
    """Why one of the runs is no proof."""
    problems = []
    if local.problem:
        problems.append(f"The local run failed: {local.problem}")
    if remote.status_name != "succeeded":
        reason = f": {remote.err_msg}" if remote.err_msg else ""
        problems.append(f"The run {remote.slug} on the platform {remote.status_name}{reason}")
    return problems


def _no_rows(*rows: list[dict[str, Any]]) -> list[str]:
    """Two runs without rows prove nothing."""
    text = "Both runs gave no rows; choose an example that finds some with --example"
    return [] if any(rows) else [text]


def _show(out: Output, difference: RowDifference) -> None:
    out.line(f"{formatting.count(difference.equal, 'row')} equal")
    for name, count in difference.fields.items():
        pair = next(pair for pair in difference.pairs if name in pair.fields)
        values = f"{_value(pair.left, name)} here, {_value(pair.right, name)} on the platform"
        out.line(f"{name}: differs in {formatting.count(count, 'row')}, first {values}")
    for place, rows in (
        ("here", difference.only_left),
        ("on the platform", difference.only_right),
    ):
        if rows:
            out.line(f"{formatting.count(len(rows), 'row')} only {place}")
        for row in rows[:MAX_SHOWN]:
            out.line(f"  {_cut(to_json(row))}")
    if difference.is_empty:
        if difference.equal:
            out.say("Both runs gave the same rows.")
    elif not difference.only_left and not difference.only_right:
        names = ",".join(difference.fields)
        out.say(f"Only these columns differ; --ignore {names} compares the others.")
    else:
        out.say("The rows differ.")


def _value(row: Any, name: str) -> str:
    return _cut(to_json(row[name])) if name in row else "missing"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_WIDTH else text[: MAX_WIDTH - 3] + "..."


def _data(
    local: ExampleRun,
    remote: RunDetail,
    remote_rows: int,
    difference: RowDifference,
    problems: list[str],
) -> dict[str, Any]:
    return {
        "equal": not problems and difference.is_empty,
        "problems": problems,
        "local": {"state": local.outcome.get("state", "refused"), "rows": len(local.rows)},
        "platform": {
            "run": remote.slug,
            "version": remote.version,
            "state": remote.status_name,
            "rows": remote_rows,
        },
        "rows_equal": difference.equal,
        "fields": difference.fields,
        "pairs": [
            {"local": pair.left, "platform": pair.right, "fields": pair.fields}
            for pair in difference.pairs[:MAX_DATA]
        ],
        "only_local": difference.only_left[:MAX_DATA],
        "only_platform": difference.only_right[:MAX_DATA],
    }
