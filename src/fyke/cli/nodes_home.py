"""``fyke nodes-home``: the data folder of ``script/up --nodes`` (script/lib/nodes.sh).

The script does everything below the folder as the user who works in it, so that root follows none
of that user's links.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.nodes_server import SOCKET, server_url
from fyke.cli.settings import load_settings

if TYPE_CHECKING:
    from fyke.settings import Settings

MAX_SOCKET_PATH = 100  # bytes; that of a unix socket has at most 107


def nodes_home(home: Annotated[str | None, typer.Option()] = None) -> None:
    """Make the data folder as fyke up does, unless it cannot be that of script/up --nodes.

    Prints four lines: the uid and the gid of the user who works in it, the URL of the database that
    the script runs there (empty: it runs none), and the absolute path.
    """
    from fyke.cli.listening import refuse_if_locked, unwritable
    from fyke.cli.root_supervisor import as_user
    from fyke.cli.up import refuse_node

    settings = load_settings(home=home)
    refuse_node(settings)
    url = own_database(settings)
    try:
        if os.geteuid() == 0:
            from fyke.cli.root_start import chown_home, service_user_of

            user = service_user_of(settings)
            chown_home(settings, user)
            uid, gid = user.pw_uid, user.pw_gid
            with as_user(uid, gid):
                refuse_if_locked(settings)
        else:
            uid, gid = os.geteuid(), os.getegid()
            settings.home.mkdir(mode=0o711, parents=True, exist_ok=True)
            refuse_if_locked(settings)
    except OSError as error:
        raise unwritable(settings, error) from None
    typer.echo(f"{uid}\n{gid}\n{url}\n{settings.home}")


def own_database(settings: Settings) -> str:
    """The URL of a database below the data folder, or "" if another one is used. Raises
    ``CommandFailed`` for a folder whose installation has no PostgreSQL.
    """
    home = settings.home
    if (home / "state.db").exists():
        raise CommandFailed(
            f"The installation in {home} is on SQLite, and nodes need PostgreSQL. Choose another "
            "folder with --home, or see docs/how-to/postgresql.md.",
            Exit.CONFLICT,
        )
    if os.environ.get("FYKE_DATABASE_URL"):
        return ""
    folder = home / "postgres"
    if settings.database_url and not folder.is_dir():
        return ""
    if not settings.database_url and (home / "config.toml").exists():
        raise CommandFailed(
            f"Nodes need PostgreSQL, and {home / 'config.toml'} has no database_url.", Exit.CONFLICT
        )
    if len(os.fsencode(folder / SOCKET)) > MAX_SOCKET_PATH:
        raise CommandFailed(
            f"The path of the data folder is too long for the socket of PostgreSQL: {home}"
        )
    return server_url(folder)
