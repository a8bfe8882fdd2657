"""Reports local runs: their rows, outcome, browsers and last pages."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from fyke.cli import formatting
from fyke.cli import run_options as options
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.local_outcome import hint_lines
from fyke.cli.local_work import OUTPUT, PAGES
from fyke.cli.output import Output
from fyke.cli.output_file import output_file

if TYPE_CHECKING:
    from fyke.cli.local_folder import Job


def refusal(result: dict[str, Any], run_options: options.GivenOptions) -> CommandFailed | None:
    """Why the run was refused; None if it was not."""
    if "error" not in result:
        return None
    message = options.with_option_names(result["error"], run_options.given)
    return CommandFailed(message, Exit(result["code"]))


def report(
    out: Output,
    result: dict[str, Any],
    job: Job,
    output: Path | None,
    rows_name: str = OUTPUT,
    pages_prefix: str = PAGES,
) -> None:
    """Report an ended run whose rows and last pages are in these files of ``job``. Raises
    ``CommandFailed`` at the end if the rows could not be written to ``output``.
    """
    problem: CommandFailed | None = None
    with job.open(rows_name) as rows:
        if output is not None:
            output, problem = _write_rows(rows, output)
        elif not out.as_json:
            shutil.copyfileobj(rows, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        pages = _save_pages(out, job, output, pages_prefix)
        if out.as_json:
            _as_json(result | {"pages_folder": pages and str(pages)}, rows, output)
            if problem is not None:
                raise problem
            return
    _say_outcome(out, result)
    if pages is not None:
        out.say(f"The files of the last pages are in {pages}.")
    if problem is not None:
        raise problem
    if output is not None:
        out.say(f"The rows are in {output}.")


def _write_rows(rows: IO[bytes], output: Path) -> tuple[Path, CommandFailed | None]:
    """Write the rows to ``output``, or if that fails to a new file in the folder for temporary
    files: the run was made, and its rows must not be lost. Return the file, and why it is another
    one. Raises ``CommandFailed`` if both fail.
    """
    try:
        with output_file(output) as file:
            shutil.copyfileobj(rows, file)
    except CommandFailed as error:
        rows.seek(0)
        try:
            number, name = tempfile.mkstemp(prefix="fyke-rows-", suffix=output.suffix)
            with os.fdopen(number, "wb") as other:
                shutil.copyfileobj(rows, other)
        except OSError:
            raise error from None
        return Path(name), CommandFailed(f"{error}. The rows are in {name} instead", error.code)
    return output, None


def _say_outcome(out: Output, result: dict[str, Any]) -> None:
    figures = [
        formatting.count(result["results"], "row"),
        formatting.size(result["traffic"]),
        formatting.span(result["duration"]),
    ]
    reason = f": {result['err_msg']}" if result["err_msg"] else ""
    out.say(f"{result['state']} ({', '.join(figures)}){reason}")
    if result["note"]:
        out.say(result["note"])
    for line in hint_lines(result):
        out.say(line)
    if result["subtasks_failed"] and result["subtasks"] > 1:
        out.say(f"{result['subtasks_failed']} of {result['subtasks']} subtasks failed.")
    if result["hidden"]:
        out.say(
            f"{formatting.count(result['hidden'], 'row')} of failed subtasks hidden; "
            "FYKE_FAILED_ROWS=keep shows them."
        )
    if result["browser"]:
        _report_browser(out, result["browser"])


def _save_pages(out: Output, job: Job, output: Path | None, pages_prefix: str) -> Path | None:
    """Copy the files of last pages to a new folder beside ``output``, or without one to a folder
    for temporary files; return it, None without such files.
    """
    names = sorted(path.name for path in job.folder.glob(f"{pages_prefix}*"))
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
