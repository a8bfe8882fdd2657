"""``fyke run picture``: the page that the browser of a running run shows."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from fyke.cli import formatting
from fyke.cli.context import ServerContext, server_command
from fyke.cli.output_file import check_output, output_file
from fyke.cli.run import RunArgument, runs


@server_command(runs, "picture")
def picture(
    server: ServerContext,
    run: RunArgument,
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", help="File to write; - is standard output.", metavar="FILE|-"
        ),
    ] = "",
    subtask: Annotated[
        int,
        typer.Option(
            "--subtask", min=0, help="Its number; 0: the attempt that started last.", metavar="N"
        ),
    ] = 0,
) -> None:
    """Write a picture of the page that the browser of a running run shows: a JPEG.

    \b
    Examples:
      fyke run picture 01JG...
      fyke run picture 01JG... --subtask 3 --output page.jpg
    """
    name = "-" if output == "/dev/stdout" else output or f"{run}.jpg"
    if name != "-":
        check_output(name)
    jpeg = server.client.browser_picture(run, subtask)
    if name == "-":
        sys.stdout.buffer.write(jpeg)
        sys.stdout.buffer.flush()
        return
    with output_file(name) as file:
        file.write(jpeg)
    if server.out.as_json:
        server.out.json({"file": name, "bytes": len(jpeg)})
    else:
        server.out.raw(name)
        server.out.say(f"{formatting.size(len(jpeg))}. Secrets on the page are visible in it.")
