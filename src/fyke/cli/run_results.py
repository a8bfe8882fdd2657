"""``fyke run results`` and ``fyke run export``: show or export the rows of a run."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from fyke.cli import formatting
from fyke.cli.context import ServerContext, server_command
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.output import printable
from fyke.cli.output_file import check_output, output_file
from fyke.cli.run import RunArgument, runs
from fyke.cli.run_options import FailedRowsOption
from fyke.model.formats import FormatName

if TYPE_CHECKING:
    from msgspec import Raw

    from fyke_client.types.rows import ResultPage

    Row = dict[str, Raw]  # the members as JSON text, which keeps every digit

FORMATS = get_args(FormatName)
MAX_CELL_WIDTH = 48  # in a table; JSON and exports are never shortened
CHUNK = 500


@server_command(runs, "results")
def results(
    server: ServerContext,
    run: RunArgument,
    page: Annotated[int, typer.Option("--page", min=1)] = 1,
    size: Annotated[int, typer.Option("--size", min=1, max=1000)] = 10,
    all_rows: Annotated[bool, typer.Option("--all", help="All rows instead of a page.")] = False,
    failed_rows: FailedRowsOption = False,
    as_lines: Annotated[
        bool, typer.Option("--jsonl", help="Only the rows, one JSON object per line.")
    ] = False,
) -> None:
    """The rows of a run. With --json a page with its columns; with --all an array of all rows.

    \b
    Examples:
      fyke run results 01JG...
      fyke run results 01JG... --page 3 --size 100 --json
      fyke run results 01JG... --all --jsonl > rows.jsonl
    """
    if all_rows:
        _report_all(server, run, as_lines, failed_rows)
        return
    result = server.client.results(run, page, size, failed_rows=failed_rows)
    if as_lines:
        for text in result.items:
            server.out.raw(_text(text))
    elif server.out.as_json:
        server.out.raw(_page_text(result))
    else:
        rows = [_row(text) for text in result.items]
        keys = _keys(result.headers, rows)
        server.out.table(keys, [_cells(row, keys) for row in rows], keys=True)
        server.out.say(f"{formatting.count(result.count, 'row')} in total.")


def _report_all(server: ServerContext, run: str, as_lines: bool, failed_rows: bool) -> None:
    texts = server.client.raw_rows(run, failed_rows=failed_rows)
    if as_lines:
        for text in texts:
            server.out.raw(_text(text))
    elif server.out.as_json:
        _write_array(server, texts)
    else:
        headers = server.client.results(run, 1, 1, failed_rows=failed_rows).headers
        rows = map(_row, texts)
        first = next(rows, None)
        if first is None:
            server.out.say("Nothing found.")
            return
        keys = _keys(headers, [first])
        server.out.stream(keys, _pages(first, rows, keys))


def _text(json: Raw) -> str:
    return bytes(json).decode()


def _page_text(page: ResultPage) -> str:
    import msgspec

    return msgspec.json.encode(page).decode()


def _row(text: Raw) -> Row:
    import msgspec

    return msgspec.json.decode(text, type=dict[str, msgspec.Raw])


def _write_array(server: ServerContext, texts: Iterator[Raw]) -> None:
    """Write a JSON array row by row, because it may not fit in memory."""
    separator = "["
    for text in texts:
        sys.stdout.write(separator + _text(text))
        separator = ",\n"
    server.out.raw("[]" if separator == "[" else "]")


def _pages(first: Row, rows: Iterator[Row], keys: list[str]) -> Iterator[list[list[str]]]:
    page = [_cells(first, keys)]
    for row in rows:
        if len(page) >= CHUNK:
            yield page
            page = []
        page.append(_cells(row, keys))
    yield page


def _keys(headers: list[Any], rows: list[Row]) -> list[str]:
    """The declared columns, then other keys; the platform's own only if there are no others."""
    declared = dict.fromkeys(header.key for header in headers)
    keys = declared | dict.fromkeys(key for row in rows for key in row)
    visible = [key for key in keys if key in declared or not key.startswith("__coreclaw")]
    return visible or list(keys)


def _cells(row: Row, keys: list[str]) -> list[str]:
    return [_cell(row[key]) if key in row else "" for key in keys]


def _cell(value: Raw) -> str:
    """Text as it is, any other value as its JSON text."""
    import msgspec

    text = _text(value)
    text = printable(msgspec.json.decode(text, type=str) if text.startswith('"') else text)
    return text if len(text) <= MAX_CELL_WIDTH else text[: MAX_CELL_WIDTH - 3] + "..."


@server_command(runs, "export")
def export(
    server: ServerContext,
    run: RunArgument,
    format: Annotated[
        str, typer.Option("--format", help=", ".join(FORMATS) + "; default: the suffix of FILE.")
    ] = "",
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            help="File to write; - is standard output. Default: Worker and start of the run.",
            metavar="FILE|-",
        ),
    ] = "",
    keys: Annotated[
        str, typer.Option("--keys", help="Only these columns, in this order.", metavar="A,B")
    ] = "",
    safe: Annotated[
        bool, typer.Option("--safe", help="csv: escape cells that a spreadsheet would evaluate.")
    ] = False,
    bom: Annotated[bool, typer.Option("--bom", help="csv: start with a byte order mark.")] = False,
    failed_rows: FailedRowsOption = False,
) -> None:
    """Write all rows of a run to a file.

    \b
    Examples:
      fyke run export 01JG... --output rows.csv
      fyke run export 01JG... --format xlsx --output report.xlsx
      fyke run export 01JG... --format jsonl -o - | jq .title
    """
    format_name = _format(format, output)
    name = "-" if output == "/dev/stdout" else output or _default_name(server, run, format_name)
    if name != "-":
        check_output(name)
    columns = [key.strip() for key in keys.split(",") if key.strip()]
    link = server.client.export(
        run, format_name, columns, safe=safe, bom=bom, failed_rows=failed_rows
    )
    if name == "-":
        _to_stdout(server, link)
        return
    with output_file(name) as file:
        size = server.client.download(link, file)
    if server.out.as_json:
        server.out.json({"file": name, "format": format_name, "bytes": size})
    else:
        server.out.raw(name)
        server.out.say(f"{formatting.size(size)} of {format_name}.")


def _default_name(server: ServerContext, run: str, suffix: str) -> str:
    """The Worker and the start of the run, such as ``big-rows_2026-11-27_0507.csv``. If there is
    such a file, perhaps of another run, the end of the run's id is added.
    """
    from fyke_client.errors import ApiError

    summary = server.client.run_summary(run)
    try:
        worker = server.client.worker(summary.worker_slug).name
    except ApiError:  # runs remain when their Worker is deleted
        return f"{run}.{suffix}"
    at = datetime.fromtimestamp(summary.created_at, UTC).astimezone()
    name = f"{worker}_{at:%Y-%m-%d_%H%M}"
    if Path(f"{name}.{suffix}").exists():
        name += f"_{summary.slug[-6:]}"
    return f"{name}.{suffix}"


def _format(format: str, output: str) -> str:
    name = format.strip().lower() or PurePath(output).suffix.lstrip(".").lower() or "csv"
    if name not in FORMATS:
        names = ", ".join(FORMATS)
        if format:
            raise CommandFailed(f"--format {format}: must be one of {names}", Exit.USAGE)
        raise CommandFailed(
            f"--output {output}: its suffix is no format; choose one with --format: {names}",
            Exit.USAGE,
        )
    return name


def _to_stdout(server: ServerContext, link: str) -> None:
    """Download to a file first, so that a broken connection does not look like a short export."""
    with tempfile.TemporaryFile(prefix="fyke-") as file:
        server.client.download(link, file)
        file.seek(0)
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
