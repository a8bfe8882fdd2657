"""``fyke mcp``: the MCP server of one user, and its entry in the programs of agents."""

from __future__ import annotations

import difflib
import os
import shutil
import socket
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fyke.cli.context import (
    HomeOption,
    KeyOption,
    ServerContext,
    UrlOption,
    group,
    locate,
    server_command,
)
from fyke.cli.errors import CommandFailed, Exit

if TYPE_CHECKING:
    from fyke.cli.mcp_files import McpConnection

mcp = group()

SCOPES = ("run", "read")  # of the key of an installed entry


class ProgramName(StrEnum):
    """Programs that ``fyke mcp install`` knows."""

    CLAUDE = "claude"
    CLAUDE_DESKTOP = "claude-desktop"
    CURSOR = "cursor"
    CODEX = "codex"
    VSCODE = "vscode"


CapOption = Annotated[
    str,
    typer.Option("--spend-cap", help="US dollars that its runs may cost together.", metavar="USD"),
]


@mcp.command("serve")
def serve(
    url: UrlOption = None,
    key: KeyOption = None,
    home: HomeOption = None,
    connection: Annotated[
        str,
        typer.Option(
            "--connection",
            help="A file with address and key, which fyke mcp install writes.",
            metavar="FILE",
        ),
    ] = "",
    spend_cap: CapOption = "",
) -> None:
    """Serve one agent over standard input and output, until its program ends.

    Programs start it; fyke mcp without a command is the same. Without --key it acts with the key
    of this command line, which on the machine of the installation may do everything: give an agent
    a key of its own with the scopes run and read.

    \b
    Examples:
      fyke mcp serve --spend-cap 2.50
      fyke mcp serve --url https://fyke.example
    """
    import asyncio

    from fyke.mcp.spending import read_cap
    from fyke.mcp.stdio import serve_stdio
    from fyke.telemetry.logging import configure

    if connection:
        from fyke.cli.mcp_files import read_connection

        place = read_connection(Path(connection))
        url, key = url or place.url, key or place.key
    location = locate(url, key, home, os.environ)
    configure("mcp", "warning")
    try:
        asyncio.run(serve_stdio(location.url, location.key, read_cap(spend_cap)))
    except ValueError as error:
        raise CommandFailed(str(error), Exit.USAGE) from None


@server_command(mcp, "install")
def install(
    server: ServerContext,
    program: Annotated[ProgramName, typer.Argument(help="The program of the agent.")],
    spend_cap: CapOption = "",
    show: Annotated[
        bool, typer.Option("--show", help="Only show the change, and change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Add Fyke to the configuration of a program, so that its agent can use it.

    Shows the change first, and keeps a copy of the file. A file that cannot be parsed is not
    changed. The entry gets a key of its own with the scopes run and read, in a file that only you
    can read; installing again uses the same key while it is valid.

    \b
    Examples:
      fyke mcp install claude
      fyke mcp install cursor --spend-cap 5
      fyke mcp install codex --show
    """
    from fyke.cli import mcp_files
    from fyke.cli.mcp_programs import PROGRAMS, UnreadableConfig, file_of
    from fyke.mcp.spending import read_cap

    try:
        read_cap(spend_cap)
    except ValueError as error:
        raise CommandFailed(f"--spend-cap: {error}", Exit.USAGE) from None
    target, home = PROGRAMS[program.value], Path.home()
    key_file, file = mcp_files.connection_file(home, program.value), file_of(target, home)
    command = [*_program(), "mcp", "serve", "--connection", str(key_file)]
    command += ["--spend-cap", spend_cap] if spend_cap else []
    try:
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        after = target.edit(before, command)
    except (UnreadableConfig, UnicodeDecodeError) as error:
        raise CommandFailed(
            f"{file} was not changed, because {error}. Add this entry yourself:\n"
            f"{target.edit('', command)}",
            Exit.CONFLICT,
        ) from None
    except OSError as error:
        raise CommandFailed(f"{file}: {error.strerror}") from None
    _show(file, before, after)
    if show:
        return
    if not yes:
        _confirm(file)
    connection = _connection(server, key_file, program.value)
    copy = _write(file, before, after)
    if server.out.as_json:
        kept = str(copy) if copy else ""
        server.out.json(
            {"file": str(file), "copy": kept, "connection": str(key_file), "url": connection.url}
        )
        return
    if copy:
        server.out.say(f"{copy} is the file as it was.")
    server.out.say(f"{target.title} knows Fyke now. Start it again; its key is in {key_file}.")


def _write(file: Path, before: str, after: str) -> Path | None:
    """Replace the text ``before`` of ``file``; the copy of it, if there is one."""
    from fyke.cli import mcp_files

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if (file.read_text(encoding="utf-8") if file.exists() else "") != before:
            raise CommandFailed(
                f"{file} was changed by another program meanwhile, so it is left as it is; "
                "install again",
                Exit.CONFLICT,
            )
        copy = mcp_files.keep_copy(file) if before and after != before else None
        if after != before:
            mcp_files.replace_file(file, after)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{file}: {error}") from None
    return copy


def _show(file: Path, before: str, after: str) -> None:
    """Print the change on standard error."""
    if before == after:
        print(f"{file} has this entry already.", file=sys.stderr)
        return
    # Without the lines around the change, in which other servers may have their keys.
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), str(file), str(file), n=0, lineterm=""
    )
    print("\n".join(lines), file=sys.stderr)
    if before.count("--spend-cap") > after.count("--spend-cap"):
        print("The entry will have no spend cap any more: give --spend-cap.", file=sys.stderr)


def _confirm(file: Path) -> None:
    if not sys.stdin.isatty():
        raise CommandFailed(
            f"{file} would be changed as above; without a terminal, confirm with --yes", Exit.USAGE
        )
    if not typer.confirm(f"Change {file}?", err=True):
        raise CommandFailed(f"{file} was not changed.")


def _program() -> list[str]:
    """How this program is started: by its absolute path, because agents have another PATH."""
    started = Path(sys.argv[0])
    is_program = started.name == "fyke" and started.is_file()
    found = str(started.absolute()) if is_program else shutil.which("fyke")
    return [found] if found else [sys.executable, "-m", "fyke.cli.entry"]


def _connection(server: ServerContext, file: Path, program: str) -> McpConnection:
    """The address and the key of an entry: those in ``file`` if they are valid, or new ones."""
    from fyke.cli import mcp_files

    url = server.location.url
    known = _known(file)
    if known is not None and known.url == url and _is_valid(known):
        return known
    name = f"mcp {program} on {socket.gethostname()}"
    created = server.client.create_key(name[:60], scopes=SCOPES)
    connection = mcp_files.McpConnection(url, created.key, created.id)
    mcp_files.write_connection(file, connection)
    if known is not None:
        server.out.say(
            f"The key {known.key_id} of {known.url} is not used any more; revoke it there."
        )
    return connection


def _known(file: Path) -> McpConnection | None:
    """The connection in ``file``; None if there is none that can be used."""
    from fyke.cli import mcp_files

    try:
        return mcp_files.read_connection(file)
    except CommandFailed:
        return None  # it is replaced


def _is_valid(connection: McpConnection) -> bool:
    from fyke_client import ApiError, Fyke

    with Fyke(connection.url, connection.key, retries=0) as fyke:
        try:
            fyke.run_page(page_size=1)
        except ApiError as error:
            if error.status in (401, 403):
                return False
            raise
    return True
