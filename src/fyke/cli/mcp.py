"""``fyke mcp``: the MCP server of one user, and its entry in the programs of agents."""

from __future__ import annotations

import difflib
import os
import shutil
import socket
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

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
NO_CAP = "none"  # instead of a spend cap: removes that of the entry
MAX_KEY_NAME = 60  # characters


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
    spend_cap: Annotated[
        str,
        typer.Option(
            "--spend-cap",
            help="US dollars that its runs may cost together; default: that of the entry; "
            "none: without a cap.",
            metavar="USD",
        ),
    ] = "",
    show: Annotated[
        bool, typer.Option("--show", help="Only show the change, and change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Add Fyke to the configuration of a program, so that its agent can use it.

    Shows the change first, and keeps a copy of the file. A file that cannot be parsed, such as one
    with comments, is not changed: the entry is printed for you to add. The entry gets a key of its
    own with the scopes run and read, in a file that only you can read; installing again uses the
    same key while it is valid, and keeps the spend cap.

    \b
    Examples:
      fyke mcp install claude
      fyke mcp install cursor --spend-cap 5
      fyke mcp install codex --show
    """
    from fyke.cli import mcp_files
    from fyke.cli.mcp_programs import PROGRAMS, UnreadableConfig, file_of

    _check_cap(spend_cap)
    target, home = PROGRAMS[program.value], Path.home()
    key_file, file = mcp_files.connection_file(home, program.value), file_of(target, home)
    try:
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        cap = spend_cap or target.spend_cap(before)
        after = target.edit(before, _command(key_file, cap))
    except (UnreadableConfig, UnicodeDecodeError) as error:
        entry = target.edit("", _command(key_file, spend_cap))
        reason = f"{file} is not changed, because {error}."
        _install_by_hand(server, key_file, program.value, reason, entry, show=show, yes=yes)
    except OSError as error:
        raise CommandFailed(f"{file}: {error.strerror}") from None
    _show(file, before, after)
    if cap and not spend_cap:
        print(f"The spend cap of {cap} USD stays; --spend-cap none removes it.", file=sys.stderr)
    if show:
        return
    if not yes:
        _confirm(f"{file} would be changed as above", f"Change {file}?")
    mcp_files.prepare_folder(file.parent)
    connection = _connection(server, key_file, program.value)
    copy = _write(file, before, after)
    if server.out.as_json:
        server.out.json(
            {
                "file": str(file),
                "copy": str(copy) if copy else "",
                "connection": str(key_file),
                "url": connection.url,
                "key_id": connection.key_id,
                "key_name": connection.key_name,
            }
        )
        return
    if copy:
        server.out.say(f"{copy} is the file as it was.")
    server.out.say(f"{target.title} knows Fyke now. Start it again. {_about(connection, key_file)}")


def _check_cap(spend_cap: str) -> None:
    from fyke.mcp.spending import read_cap

    if spend_cap == NO_CAP:
        return
    try:
        read_cap(spend_cap)
    except ValueError as error:
        raise CommandFailed(f"--spend-cap: {error}", Exit.USAGE) from None


def _command(key_file: Path, spend_cap: str) -> list[str]:
    """What the program of the agent starts."""
    command = [*_program(), "mcp", "serve", "--connection", str(key_file)]
    return command + (["--spend-cap", spend_cap] if spend_cap not in ("", NO_CAP) else [])


def _install_by_hand(
    server: ServerContext,
    key_file: Path,
    program: str,
    reason: str,
    entry: str,
    *,
    show: bool,
    yes: bool,
) -> NoReturn:
    """Make what ``entry`` needs, and leave it to the user to add it. Ends the command."""
    if show:
        raise CommandFailed(
            f"{reason} Without --show, the key of this entry is made for you to add it:\n{entry}",
            Exit.CONFLICT,
        )
    if not yes:
        print(reason, file=sys.stderr)
        _confirm(
            "A key would be made, and an entry printed for you to add",
            "Make a key, and print the entry for you to add?",
        )
    connection = _connection(server, key_file, program)
    raise CommandFailed(
        f"{reason} Add this entry to it yourself, beside those that it has:\n{entry}"
        f"{_about(connection, key_file)} Delete that file too if you do not add the entry.",
        Exit.CONFLICT,
    )


def _about(connection: McpConnection, key_file: Path) -> str:
    """Where the key is, and how it is revoked."""
    name = f' "{connection.key_name}"' if connection.key_name else ""
    return f"Its key{name} is in {key_file}; fyke key revoke {connection.key_id} revokes it."


def _write(file: Path, before: str, after: str) -> Path | None:
    """Replace the text ``before`` of ``file``; the copy of it, if there is one."""
    from fyke.cli import mcp_files

    try:
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
        print("The entry will have no spend cap any more.", file=sys.stderr)


def _confirm(change: str, question: str) -> None:
    if not sys.stdin.isatty():
        raise CommandFailed(f"{change}; without a terminal, confirm with --yes", Exit.USAGE)
    if not typer.confirm(question, err=True):
        raise CommandFailed("Nothing was changed.")


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
    mcp_files.prepare_folder(file.parent, mode=0o700)  # before there is a key that must be kept
    name = _free_name(server, f"mcp {program} on {socket.gethostname()}")
    created = server.client.create_key(name, scopes=SCOPES)
    connection = mcp_files.McpConnection(url, created.key, created.id, name)
    try:
        mcp_files.write_connection(file, connection)
    except OSError as error:
        raise CommandFailed(f"{file}: {error.strerror}. {_revoked(server, connection)}") from None
    if known is not None:
        server.out.say(
            f"The key {known.key_id} of {known.url} is not used any more; "
            f"fyke key revoke {known.key_id} revokes it there."
        )
    return connection


def _free_name(server: ServerContext, name: str) -> str:
    """``name``, or one with a number behind it if a valid key of the account has it: that of
    another user or machine, or one whose file is lost.
    """
    taken = {key.name for key in server.client.list_keys() if not key.revoked_at}
    free, number = name[:MAX_KEY_NAME], 1
    while free in taken:
        number += 1
        free = f"{name[: MAX_KEY_NAME - len(str(number)) - 1]} {number}"
    return free


def _revoked(server: ServerContext, connection: McpConnection) -> str:
    """Revoke a key that could not be kept; what to say of it."""
    from fyke_client import ClientError

    try:
        server.client.revoke_key(connection.key_id)
    except ClientError:
        return f"Its key was made: revoke it with fyke key revoke {connection.key_id}"
    return "The key that was made for it is revoked"


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
