"""``fyke worker run``: run a Worker in a sandbox on this machine, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fyke.cli import run_options as options
from fyke.cli.context import HomeOption, JsonOption
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.inputs import read_input
from fyke.cli.output import Output
from fyke.cli.output_file import check_output
from fyke.cli.settings import load_settings
from fyke.cli.worker import read_archive, workers


@workers.command("run")
@options.with_run_options(options.LOCAL_OPTIONS)
def run(
    project: Annotated[Path, typer.Argument(help="Folder or ZIP.", metavar="DIR|ZIP")],
    input: options.InputOption = None,
    run_options: options.GivenOptions = options.NO_OPTIONS,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write the rows to this file (.csv, .json, .xlsx ...).",
            metavar="FILE",
        ),
    ] = None,
    allow_builds: Annotated[
        bool,
        typer.Option(
            "--allow-builds", help="Let dependencies run code during installation, if requested."
        ),
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Run again whenever a file of the project is saved.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a project locally, in the same sandbox as on the platform, without a server.

    The log goes to standard error, the rows to standard output as JSON lines. Nothing is
    published, and only installed dependencies are kept. Only the sites that its fyke.json declares
    can be reached, as on the platform. A Worker that asks for a browser gets one where one is
    installed; what it did is reported at the end, and what is kept of its last page when a subtask
    fails is written to a new folder. Exit status 1 if a subtask failed.

    A server of yours on 127.0.0.1 is opened by --egress-allow, but libraries take 127.0.0.1 for the
    sandbox itself: name it by the name of the machine, as in --egress-allow "$(hostname):8000". By
    its address, a Python Worker reaches it once it has removed no_proxy and NO_PROXY from its
    environment, as the template page-titles does. Browsers need nothing.

    With --watch the runner stays ready: a saved file, also that of --input, stops a run that is
    still active and starts the next one. Dependencies are installed again only if their files
    change. Ctrl-C ends it with exit status 0.

    \b
    Examples:
      fyke worker run hello
      fyke worker run hello --input input.json --output rows.csv
      fyke worker run hello --input examples/first.json --watch
      fyke worker run . -i '{"urls": ["http://127.0.0.1:8000/"]}' --egress-allow 127.0.0.1:8000
      fyke worker run . -i input.json --browser-block images,fonts --headful
    """
    from fyke.cli.local_folder import Job, interruptible, local_folder, run_job
    from fyke.cli.local_report import refusal, report
    from fyke.cli.local_work import PROJECT, RESULT

    request: dict[str, Any] = {"action": "run", "format": _format(output), "builds": allow_builds}
    out = Output(as_json)
    if watch:
        from fyke.cli.local_watch import WatchedProject, watch_runs

        if not project.is_dir():
            raise CommandFailed("--watch requires the folder of a project", Exit.USAGE)
        watched = WatchedProject(
            project,
            input,
            lambda given: prepare(project, given, run_options, output),
            run_options,
            output,
        )
        watch_runs(watched, request, load_settings(home=home), out)
        return
    archive, request["input"] = prepare(project, read_input(input), run_options, output)
    with (
        interruptible(),
        local_folder(load_settings(home=home)) as settings,
        Job(settings.home.parent) as job,
    ):
        job.write(PROJECT, archive)
        typer.echo("Starting a runner for this Worker ...", err=True)
        code = run_job(settings, job, request)
        if not (job.folder / RESULT).exists():
            raise typer.Exit(code or Exit.FAILED)
        result = job.result()
        if (refused := refusal(result, run_options)) is not None:
            raise refused
        report(out, result, job, output)
    raise typer.Exit(code)


def prepare(
    project: Path,
    given: tuple[dict[str, Any], dict[str, Any]],
    run_options: options.GivenOptions,
    output: Path | None = None,
) -> tuple[bytes, dict[str, Any]]:
    """The archive of a project without ``output``, and the whole input with ``parameters``.
    ``given``: the Worker's own input, and device and limits. Raises ``CommandFailed`` and
    ``InvalidRequest``.
    """
    from fyke.errors import InvalidRequest

    archive, _ = read_archive(project, output)
    custom, system = given
    run_input = {"parameters": {"system": system | run_options, "custom": custom}}
    try:
        _check(archive, run_input)
    except InvalidRequest as error:
        options.use_option_names(error, run_options.given)
        raise
    return archive, run_input


def _check(archive: bytes, input: dict[str, Any]) -> None:
    """Raise ``InvalidRequest`` for a project or an input that a start would refuse."""
    from fyke.domain.workers import parameters
    from fyke.domain.workers.input_schema import parse
    from fyke.domain.workers.input_values import validate_input
    from fyke.domain.workers.project import read_project
    from fyke.model.worker import SystemDefaults

    schema = parse(read_project(archive).input_schema)
    validate_input(schema, parameters.read_input(input, SystemDefaults()).custom)


def _format(output: Path | None) -> str:
    from fyke.domain.results.export.formats import FORMATS

    if output is None:
        return "jsonl"
    suffix = output.suffix.lstrip(".").lower()
    if suffix not in FORMATS:
        raise CommandFailed(
            f"--output {output}: its name must end in one of .{', .'.join(FORMATS)}", Exit.USAGE
        )
    check_output(output)
    return suffix
