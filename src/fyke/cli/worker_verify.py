"""``fyke worker verify``: check that a project is ready to be published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from fyke.cli import formatting
from fyke.cli import run_options as options
from fyke.cli.context import HomeOption, JsonOption
from fyke.cli.errors import Exit
from fyke.cli.findings import describe
from fyke.cli.local_series import (
    ExampleRun,
    SeriesOptions,
    project_examples,
    run_examples,
    show_log,
)
from fyke.cli.output import Output
from fyke.cli.worker import read_archive, workers
from fyke.cli.worker_test import BuildsOption, LogOption, ProjectArgument, finding_text

if TYPE_CHECKING:
    from fyke.domain.results.row_checks import RowFinding
    from fyke.model.results import Header
    from fyke.model.worker import Finding

MAX_SHOWN = 5  # findings of a check


class ProjectCheck(NamedTuple):
    """A check and its result. ``remedy`` says what to do about one that failed."""

    name: str
    passed: bool
    detail: str
    remedy: str = ""


@workers.command("verify")
@options.with_run_options(options.LOCAL_OPTIONS)
def verify(
    project: ProjectArgument,
    example: Annotated[
        str,
        typer.Option("--example", help="The example to run; default: the first.", metavar="NAME"),
    ] = "",
    min_rows: Annotated[
        int, typer.Option("--min-rows", help="Rows that it must give.", min=0, metavar="N")
    ] = 1,
    run_options: options.GivenOptions = options.NO_OPTIONS,
    log: LogOption = False,
    allow_builds: BuildsOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that a project can be published: run an example, and look at all it leaves.

    The project is packed, read, installed and run as on the platform. Then its rows, the headers
    of its table, the columns of output_schema.json and its log are checked. Each check is a line;
    one that fails says what to do. Exit status 1 if one fails.

    \b
    Examples:
      fyke worker verify hello
      fyke worker verify . --example first --min-rows 20
      fyke worker verify . --json | jq '.checks[] | select(.passed | not)'
    """
    from fyke.errors import InvalidRequest

    out = Output(as_json)
    checks: list[ProjectCheck] = []
    try:
        archive, _ = read_archive(project)
        checks.append(archive_check(archive))
    except InvalidRequest as error:
        checks.append(ProjectCheck("archive", False, str(error)))
    else:
        checks.append(project_check(archive))
    run: ExampleRun | None = None
    if all(check.passed for check in checks):
        examples = project_examples(archive, [example] if example else [])[:1]
        [run] = run_examples(archive, examples, SeriesOptions(run_options, home, allow_builds, log))
        checks += run_checks(run, _columns(archive), min_rows)
    passed = all(check.passed for check in checks)
    if as_json:
        out.json({"passed": passed, "checks": [check._asdict() for check in checks]})
    else:
        if run is not None and run.problem and not log:
            show_log(out, run)
        _show(out, checks)
    if not passed:
        raise typer.Exit(Exit.FAILED)


def _columns(archive: bytes) -> list[Header]:
    from fyke.domain.workers.output_schema import headers
    from fyke.domain.workers.project import read_project

    return headers(read_project(archive).output_schema)


# --- the project ----------------------------------------------------------------------------


def archive_check(archive: bytes) -> ProjectCheck:
    """Whether the archive is within the limits of an upload. Raises ``InvalidRequest``."""
    from fyke.domain.workers.archive import open_archive

    with open_archive(archive) as project:
        unpacked = sum(file.size for file in project.files)
        parts = [
            formatting.count(len(project.files), "file"),
            f"{formatting.size(len(archive))} packed",
            f"{formatting.size(unpacked)} unpacked",
        ]
    return ProjectCheck("archive", True, ", ".join(parts))


def project_check(archive: bytes) -> ProjectCheck:
    """Whether schemas, files and code have no error that prevents a publication."""
    from fyke.domain.workers.archive import open_archive
    from fyke.domain.workers.project import ProjectReader

    with open_archive(archive) as project:
        reader = ProjectReader(project)
        reader.read_all()
    return _of_findings(reader.findings)


def _of_findings(findings: Sequence[Finding]) -> ProjectCheck:
    errors = [describe(finding) for finding in findings if finding.severity == "error"]
    if errors:
        return ProjectCheck(
            "project", False, _listed(errors), "correct this; fyke worker check shows it"
        )
    warnings = sum(finding.severity == "warning" for finding in findings)
    more = f"; {formatting.count(warnings, 'warning')}, see fyke worker check" if warnings else ""
    return ProjectCheck("project", True, f"schemas, files and code have no errors{more}")


# --- the run --------------------------------------------------------------------------------


def run_checks(run: ExampleRun, columns: Sequence[Header], min_rows: int) -> Iterator[ProjectCheck]:
    """The checks of what a run leaves; none follows an installation or a run that failed."""
    from fyke.reasons import ReasonCode
    from fyke.reasons.texts import INSTALLING

    if run.outcome.get("reason_code") in INSTALLING:
        remedy = "correct the dependencies, see the log of the installation above"
        yield ProjectCheck("installation", False, run.problem, remedy)
        return
    name = run.example.name
    not_started = {
        ReasonCode.INTERNAL,
        ReasonCode.ISOLATION_MISSING,
        ReasonCode.LIMITS_MISSING,
        ReasonCode.NOT_STARTED,
    }
    if run.outcome.get("reason_code", ReasonCode.NOT_STARTED) not in not_started:
        yield ProjectCheck(
            "installation", True, "the dependencies are installed as on the platform"
        )
    if run.problem:
        remedy = "correct this, see the log above"
        yield ProjectCheck("run", False, f"the example {name}: {run.problem}", remedy)
        return
    yield ProjectCheck("run", True, f"the example {name} succeeded ({run.figures})")
    yield _rows_check(run, min_rows)
    yield _headers_check(run, columns)
    yield _columns_check(run, columns)
    yield _log_check(run)


def _rows_check(run: ExampleRun, min_rows: int) -> ProjectCheck:
    detail = formatting.count(len(run.rows), "row")
    if len(run.rows) >= min_rows:
        return ProjectCheck("rows", True, detail)
    remedy = (
        "push the rows with the SDK, or give the example an input that finds some; --min-rows "
        "changes how many are expected"
    )
    return ProjectCheck("rows", False, f"{detail}, at least {min_rows} expected", remedy)


def _headers_check(run: ExampleRun, columns: Sequence[Header]) -> ProjectCheck:
    """Whether rows have the keys of the table's headers, wherever these come from."""
    from fyke.domain.results.row_checks import check_headers

    headers = run.headers or columns
    if not headers:
        return ProjectCheck("headers", True, "none are set, so they follow from the rows")
    source = "the Worker" if run.headers else "output_schema.json"
    detail = f"{formatting.count(len(headers), 'header')} from {source}"
    remedy = f"let {source} name the keys of the rows"
    return _of_rows("headers", detail, check_headers(headers, run.rows), remedy)


def _columns_check(run: ExampleRun, columns: Sequence[Header]) -> ProjectCheck:
    from fyke.domain.results.row_checks import check_rows

    name = "output schema"
    if not columns:
        return ProjectCheck(name, True, "there is no output_schema.json, so types are not checked")
    detail = f"{formatting.count(len(columns), 'column')}, all rows fit"
    remedy = "correct output_schema.json, or what the Worker pushes"
    return _of_rows(name, detail, check_rows(columns, run.rows), remedy)


def _of_rows(name: str, detail: str, findings: Sequence[RowFinding], remedy: str) -> ProjectCheck:
    if not findings:
        return ProjectCheck(name, True, detail)
    return ProjectCheck(
        name, False, _listed([finding_text(finding) for finding in findings]), remedy
    )


def _log_check(run: ExampleRun) -> ProjectCheck:
    from fyke.domain.logs.system import NO_HARD_LIMITS
    from fyke.model.log import LogType

    warnings = [
        entry
        for entry in run.log
        # the machine of the author is no fault of the Worker
        if entry.type >= LogType.WARN and NO_HARD_LIMITS not in entry.content
    ]
    if not warnings:
        return ProjectCheck("log", True, "no warnings")
    first = warnings[0].content.strip().partition("\n")[0]
    detail = f"{formatting.count(len(warnings), 'warning')}, first: {first}"
    remedy = "remove the cause; what a Worker writes to stderr counts as a warning"
    return ProjectCheck("log", False, detail, remedy)


def _listed(lines: Sequence[str]) -> str:
    more = len(lines) - MAX_SHOWN
    return "; ".join(lines[:MAX_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def _show(out: Output, checks: Sequence[ProjectCheck]) -> None:
    width = max(len(check.name) for check in checks)
    for check in checks:
        result, style = ("ok", "green") if check.passed else ("failed", "red")
        remedy = f". Remedy: {check.remedy}" if check.remedy and not check.passed else ""
        out.line(f"{result:<6}  {check.name:<{width}}  {check.detail}{remedy}", style)
    failed = sum(not check.passed for check in checks)
    if failed:
        out.say(f"{formatting.count(failed, 'check')} failed; the project is not ready.")
    else:
        out.say('All checks passed; "fyke worker push" publishes the project.')
