"""``fyke worker test``: run the examples of a project, and check their rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fyke.cli import formatting
from fyke.cli import run_options as options
from fyke.cli.context import HomeOption, JsonOption
from fyke.cli.errors import Exit
from fyke.cli.local_outcome import hint_lines
from fyke.cli.local_series import SeriesOptions, project_examples, run_examples, show_log
from fyke.cli.output import Output, data_of
from fyke.cli.worker import read_archive, workers

if TYPE_CHECKING:
    from fyke.cli.local_series import ExampleRun
    from fyke.domain.results.row_checks import RowFinding
    from fyke.model.results import Header

ProjectArgument = Annotated[Path, typer.Argument(help="Folder or ZIP.", metavar="DIR|ZIP")]
LogOption = Annotated[
    bool, typer.Option("--log", help="Show the log of every run, not only of those that fail.")
]
BuildsOption = Annotated[
    bool,
    typer.Option(
        "--allow-builds", help="Let dependencies run code during installation, if requested."
    ),
]


@workers.command("test")
@options.with_run_options(options.LOCAL_OPTIONS)
def test(
    project: ProjectArgument,
    example: Annotated[
        list[str] | None,
        typer.Option("--example", help="Only this example; may be repeated.", metavar="NAME"),
    ] = None,
    run_options: options.GivenOptions = options.NO_OPTIONS,
    min_rows: Annotated[
        int, typer.Option("--min-rows", help="Rows that each must give.", min=0, metavar="N")
    ] = 1,
    log: LogOption = False,
    allow_builds: BuildsOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the examples of a project locally, and check their rows. Exit status 1 if one fails.

    Examples are the files examples/NAME.json: the input of a run. Without such files there is one,
    named defaults, made of the defaults in input_schema.json. An example fails if its run or one of
    its subtasks fails, if it gives no row (--min-rows), and if its rows do not have the columns and
    types of output_schema.json.
    The runs are those of "fyke worker run", in one process.

    \b
    Examples:
      fyke worker test hello
      fyke worker test . --example first --log
      fyke worker test . --json | jq '.examples[] | select(.passed | not)'
    """
    from fyke.domain.workers.output_schema import headers
    from fyke.domain.workers.project import read_project

    archive, _ = read_archive(project)
    columns = headers(read_project(archive).output_schema)
    examples = project_examples(archive, example or [])
    runs = run_examples(archive, examples, SeriesOptions(run_options, home, allow_builds, log))
    out = Output(as_json)
    reports = [ExampleReport(run, columns, min_rows) for run in runs]
    passed = sum(report.passed for report in reports)
    if as_json:
        data = [report.data() for report in reports]
        out.json({"passed": passed == len(reports), "examples": data})
    else:
        _show(out, reports, log)
        if not columns:
            out.say("There is no output_schema.json, so the rows were not checked.")
        out.say(f"{passed} of {formatting.count(len(reports), 'example')} passed.")
    if passed < len(reports):
        raise typer.Exit(Exit.FAILED)


class ExampleReport:
    """The run of an example and what its rows break. Without ``columns`` they are not checked."""

    def __init__(self, run: ExampleRun, columns: Sequence[Header], min_rows: int) -> None:
        from fyke.domain.results.row_checks import check_rows

        self.run = run
        self.findings = check_rows(columns, run.rows) if columns else []
        self.problem = run.problem or _missing_rows(run, min_rows)
        self.passed = not self.problem and not self.findings

    def data(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "name": self.run.example.name,
            "passed": self.passed,
            "state": self.run.outcome.get("state", "refused"),
            "problem": self.problem,
            "hint": self.run.outcome.get("hint"),
            "rows": len(self.run.rows),
            "hidden": self.run.outcome.get("hidden", 0),
            "duration": self.run.seconds,
            "findings": [data_of(finding) for finding in self.findings],
        }


def _missing_rows(run: ExampleRun, min_rows: int) -> str:
    if len(run.rows) >= min_rows:
        return ""
    return f"at least {formatting.count(min_rows, 'row')} expected; --min-rows sets another number"


def finding_text(finding: RowFinding) -> str:
    """A finding about rows in one line."""
    return f"{finding.field}: {finding.message} [{finding.rule}]"


def _show(out: Output, reports: Sequence[ExampleReport], has_log: bool) -> None:
    width = max(len(report.run.example.name) for report in reports)
    for report in reports:
        run = report.run
        if report.problem and not has_log:
            show_log(out, run)
        result, style = ("ok", "green") if report.passed else ("failed", "red")
        problem = f": {report.problem}" if report.problem else ""
        out.line(f"{result:<6}  {run.example.name:<{width}}  {run.figures}{problem}", style)
        if report.problem:
            for line in hint_lines(run.outcome):
                out.line(f"        {line}")
        for finding in report.findings:
            out.line(f"        {finding_text(finding)}")
