"""The PostgreSQL that ``script/up --nodes`` runs below its data folder (script/lib/nodes.sh)."""

from __future__ import annotations

import contextlib
import shlex
import socket
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING

from fyke.cli.errors import CommandFailed, Exit

if TYPE_CHECKING:
    from fyke.settings import Settings

SOCKET = ".s.PGSQL.5432"


def server_url(folder: Path) -> str:
    """The URL of the server that the script runs in this folder."""
    return f"postgresql://fyke@/fyke?host={urllib.parse.quote(str(folder))}"


def missing_server(settings: Settings) -> str:
    """What starts the database, if that is a server of ``script/up --nodes`` which does not run;
    else "".
    """
    folder = settings.home / "postgres"
    if settings.database_url != server_url(folder) or _answers(folder / SOCKET):
        return ""
    return start_command(settings.home)


def start_command(home: Path) -> str:
    """What starts an installation with nodes in this data folder."""
    number = "N"
    with contextlib.suppress(OSError):  # another user's
        number = str(len([*(home / "nodes").iterdir()]) or "N")
    return f"script/up --nodes {number} --home {shlex.quote(str(home))}"


def was_made_with_nodes(home: Path) -> bool:
    """Whether ``script/up --nodes`` has made this data folder."""
    try:
        return (home / "nodes").is_dir() and (home / "postgres").is_dir()
    except OSError:
        return False


def refuse_without_server(settings: Settings) -> None:
    """Raise ``CommandFailed`` for a data folder of ``script/up --nodes`` whose database does not
    run.
    """
    if command := missing_server(settings):
        raise CommandFailed(
            f"The installation in {settings.home} was made by script/up --nodes, which also starts "
            f"its database and its nodes. Start it with\n  {command}",
            Exit.CONFLICT,
        )


def _answers(path: Path) -> bool:
    """Whether a server accepts connections on this socket, or may do so for another user."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:
            return True
    return True
