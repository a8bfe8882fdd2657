"""``fyke help``: the help of a command, as its ``--help`` prints it."""

from __future__ import annotations

from typing import Annotated

import typer
from typer.core import TyperGroup

from fyke.cli.errors import CommandFailed, Exit


def show_help(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(help="A group, or a command.", metavar="COMMAND")
    ] = None,
) -> None:
    """Print the help of a command, as its --help does.

    \b
    Examples:
      fyke help
      fyke help run start
    """
    context = ctx.find_root()
    for word in words or ():
        if not isinstance(context.command, TyperGroup):
            path = context.command_path
            raise CommandFailed(
                f'"{path}" is a command and has no command "{word}": use "fyke help{path[4:]}"',
                Exit.USAGE,
            )
        name, command, _ = context.command.resolve_command(context, [word])
        assert command is not None  # noqa: S101 - an unknown name has failed above
        context = command.make_context(name, [], parent=context, resilient_parsing=True)
        context.resilient_parsing = False  # or an unknown name would be no error
    typer.echo(context.get_help())
