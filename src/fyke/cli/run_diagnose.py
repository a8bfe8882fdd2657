"""``fyke run diagnose``: one archive that explains a run."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from fyke.cli import formatting
from fyke.cli.context import ServerContext, server_command
from fyke.cli.errors import CommandFailed
from fyke.cli.output_file import check_new_output, new_output_file
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

    Read diagnosis.md in it first. Secrets are masked, except in the picture of the last page and
    in input fields that are not named like one. A file that exists is not replaced, and only you
    can read the new one.

    \b
    Examples:
      fyke run diagnose 01JG...
      fyke run diagnose 01JG... --no-picture --output report.zip
    """
    name = output or f"{run}-diagnosis.zip"
    check_new_output(name)
    data = server.client.diagnosis(run, picture=not no_picture)
    names = _names_in(data)
    with new_output_file(name) as file:
        file.write(data)
    if server.out.as_json:
        server.out.json({"file": str(Path(name)), "bytes": len(data)})
        return
    server.out.raw(name)
    server.out.say(f"{formatting.size(len(data))}; read diagnosis.md in it first.")
    for text in _cautions(names):
        server.out.say(text)


def _names_in(data: bytes) -> list[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.namelist()
    except zipfile.BadZipFile:
        raise CommandFailed(
            "The archive ended early; the run may have been deleted meanwhile. Try again"
        ) from None


def _cautions(names: Collection[str]) -> list[str]:
    """What to look at before the archive is passed on."""
    found = []
    if "log.txt" in names:  # left out with all texts if the secrets are not known
        found.append(
            "A secret in a field that does not ask for one, such as a note, is not masked: look at "
            "input.json and log.txt before you pass it on."
        )
    if "last-page.jpg" in names:
        found.append(
            "It has a picture of the last page, which may show secrets; --no-picture leaves it out."
        )
    return found
