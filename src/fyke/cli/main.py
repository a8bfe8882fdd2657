"""The command ``fyke``: all commands, their errors, their exit codes.

Commands import what they need when they run, so that ``fyke --help`` answers at once.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from fyke import __version__
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.serve import serve
from fyke.cli.up import up

app = typer.Typer(
    name="fyke",
    help="Fyke runs web-scraping Workers on your own machines.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(up)
app.command()(serve)


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)
    ] = False,
) -> None:
    """Fyke runs web-scraping Workers on your own machines."""
    if version:
        typer.echo(f"fyke {__version__}, Python {sys.version.split()[0]}")
        raise typer.Exit


def main() -> None:
    """Run the command line; every known error is one sentence and its exit code."""
    try:
        app()
    except CommandFailed as failed:
        print(f"fyke: {failed}", file=sys.stderr)
        sys.exit(failed.code)
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)


if __name__ == "__main__":
    main()
