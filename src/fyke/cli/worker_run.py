"""``fyke worker run``: run a Worker in a sandbox on this machine, without a server."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from fyke.cli import formatting
from fyke.cli import run_options as options
from fyke.cli.context import HomeOption, JsonOption
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.inputs import read_input
from fyke.cli.output import Output
from fyke.cli.output_file import check_output, output_file
from fyke.cli.settings import load_settings
from fyke.cli.worker import read_archive, workers

if TYPE_CHECKING:
    from fyke.cli.local_folder import Job


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
    sandbox itself: a Python Worker first removes no_proxy and NO_PROXY from its environment, as
    the template page-titles does. Browsers need nothing.

    \b
    Examples:
      fyke worker run hello
      fyke worker run hello --input input.json --output rows.csv
      fyke worker run . -i '{"urls": ["http://127.0.0.1:8000/"]}' --egress-allow 127.0.0.1:8000
      fyke worker run . -i input.json --browser-block images,fonts --headful
    """
    from fyke.cli.local_folder import Job, interruptible, local_folder, run_job
    from fyke.cli.local_work import PROJECT, RESULT
    from fyke.errors import InvalidRequest

    archive, _ = read_archive(project)
    custom, system = read_input(input)
    run_input = {"parameters": {"system": system | run_options, "custom": custom}}
    try:
        _check(archive, run_input)
    except InvalidRequest as error:
        options.use_option_names(error, run_options.given)
        raise
    request = {
        "action": "run",
        "input": run_input,
        "format": _format(output),
        "builds": allow_builds,
    }
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
        if "error" in result:
            message = options.with_option_names(result["error"], run_options.given)
            raise CommandFailed(message, Exit(result["code"]))
        _report(Output(as_json), result, job, output)
    raise typer.Exit(code)


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


def _report(out: Output, result: dict[str, Any], job: Job, output: Path | None) -> None:
    from fyke.cli.local_work import OUTPUT

    with job.open(OUTPUT) as rows:
        if output is not None:
            with output_file(output) as file:
                shutil.copyfileobj(rows, file)
        elif not out.as_json:
            shutil.copyfileobj(rows, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        pages = _save_pages(out, job, output)
        if out.as_json:
            _as_json(result | {"pages_folder": pages and str(pages)}, rows, output)
            return
    figures = [
        formatting.count(result["results"], "row"),
        formatting.size(result["traffic"]),
        formatting.span(result["duration"]),
    ]
    reason = f": {result['err_msg']}" if result["err_msg"] else ""
    out.say(f"{result['state']} ({', '.join(figures)}){reason}")
    if result["note"]:
        out.say(result["note"])
    if result["subtasks_failed"] and result["subtasks"] > 1:
        out.say(f"{result['subtasks_failed']} of {result['subtasks']} subtasks failed.")
    if result["hidden"]:
        out.say(
            f"{formatting.count(result['hidden'], 'row')} of failed subtasks hidden; "
            "FYKE_FAILED_ROWS=keep shows them."
        )
    if result["browser"]:
        _report_browser(out, result["browser"])
    if pages is not None:
        out.say(f"The files of the last pages are in {pages}.")
    if output is not None:
        out.say(f"The rows are in {output}.")


def _save_pages(out: Output, job: Job, output: Path | None) -> Path | None:
    """Copy the files of last pages to a new folder beside ``output``, or without one to a folder
    for temporary files; return it, None without such files.
    """
    from fyke.cli.local_work import PAGES

    names = sorted(path.name for path in job.folder.glob(f"{PAGES}*"))
    if not names:
        return None
    prefix = "fyke-pages-" if output is None else f"{output.stem}-pages-"
    try:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=output and output.parent))
        for name in names:
            with job.open(name) as file, output_file(folder / name) as target:
                shutil.copyfileobj(file, target)
    except (OSError, CommandFailed) as error:
        out.say(f"The files of the last pages cannot be written: {error}")
        return None
    return folder


def _report_browser(out: Output, data: dict[str, Any]) -> None:
    """What the browsers did, as ``fyke run browser`` shows it."""
    from fyke.cli.run_browser import show_report
    from fyke.kit.typed import convert
    from fyke_client.types.fyke.run_browser import RunBrowserReport

    show_report(out.to_messages(), convert(data, RunBrowserReport))


def _as_json(result: dict[str, Any], rows: IO[bytes], output: Path | None) -> None:
    """Write one object: the outcome, and the rows, or the name of the file with them."""
    del result["code"]
    if output is not None:
        sys.stdout.write(json.dumps({**result, "output": str(output)}) + "\n")
        return
    sys.stdout.write(json.dumps(result)[:-1] + ', "rows": [')
    separator = ""
    for line in rows:
        sys.stdout.write(separator + line.decode().rstrip("\n"))
        separator = ", "
    sys.stdout.write("]}\n")
