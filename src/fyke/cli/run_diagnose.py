"""``fyke run diagnose``: one archive that explains a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fyke.cli import formatting
from fyke.cli.context import ServerContext, server_command
from fyke.cli.output_file import check_output, output_file
from fyke.cli.run import RunArgument, runs


@server_command(runs, "diagnose")
def diagnose(
    server: ServerContext,
    run: RunArgument,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            help="File to write; default: RUN-diagnosis.zip in this folder.",
            metavar="FILE",
        ),
    ] = "",
    no_picture: Annotated[
        bool,
        typer.Option(
            "--no-picture", help="Leave out the picture of the last page, with secrets on it."
        ),
    ] = False,
) -> None:
    """Write one ZIP that explains a run: cause, remedy, figures, log, sites, curves, last page.

    Read diagnosis.md in it first. Secrets are masked, except in the picture of the last page.

    \b
    Examples:
      fyke run diagnose 01JG...
      fyke run diagnose 01JG... --no-picture --output report.zip
    """
    name = output or f"{run}-diagnosis.zip"
    check_output(name)
    data = server.client.diagnosis(run, picture=not no_picture)
    with output_file(name) as file:
        file.write(data)
    if server.out.as_json:
        server.out.json({"file": str(Path(name)), "bytes": len(data)})
        return
    server.out.raw(name)
    picture = "" if no_picture else " A picture of the last page may show secrets."
    server.out.say(f"{formatting.size(len(data))}; read diagnosis.md in it first.{picture}")
