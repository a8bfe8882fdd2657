"""``fyke serve --role NAME``: one role in this process. ``fyke up`` starts them all."""

from __future__ import annotations

import os
import socket
from collections.abc import Coroutine
from enum import StrEnum
from typing import Annotated, Any

import typer

from fyke.cli.context import load_settings


class RoleName(StrEnum):
    """The roles that can be started apart."""

    SERVER = "server"
    RUNNER = "runner"
    EGRESS = "egress"


def serve(
    role: Annotated[RoleName, typer.Option(help="Which role to run in this process.")],
    parent: Annotated[int, typer.Option(hidden=True)] = 0,
    fd: Annotated[int, typer.Option(hidden=True)] = -1,
    host: Annotated[str | None, typer.Option(help="Address to listen on (server).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (server).")] = None,
    home: Annotated[str | None, typer.Option(help="The data folder.")] = None,
) -> None:
    """Run one role in the foreground, for installations of several machines.

    Examples: fyke serve --role server --port 8100; fyke serve --role runner
    """
    from fyke.cli.listening import check_exposure, listen
    from fyke.telemetry.logging import configure

    os.umask(0o077)
    settings = load_settings(home=home, host=host, port=port)
    configure(role.value, settings.log_level)
    if parent:
        from fyke.cli.supervisor import die_with_parent

        die_with_parent(parent)
    else:
        from fyke.app.prepare import prepare

        prepare(settings)
    if role is RoleName.SERVER:
        if fd >= 0:
            listener = socket.socket(fileno=fd)
        else:
            check_exposure(settings)
            listener = listen(settings)
        from fyke.app.server import serve_server

        _run(serve_server(settings, listener))
    elif role is RoleName.RUNNER:
        from fyke.app.runner import serve_runner

        _run(serve_runner(settings))
    else:
        from fyke.app.egress import serve_egress

        _run(serve_egress(settings))


def _run(work: Coroutine[Any, Any, None]) -> None:
    import uvloop

    uvloop.run(work)
