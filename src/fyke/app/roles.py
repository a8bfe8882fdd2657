"""The three roles by name. The module of a role is imported when it is run."""

from __future__ import annotations

from collections.abc import Coroutine
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

    from fyke.settings import Settings


class RoleName(StrEnum):
    """The roles, which can run in separate processes."""

    SERVER = "server"
    RUNNER = "runner"
    EGRESS = "egress"


def run_role(role: RoleName, settings: Settings, listener: socket.socket | None = None) -> None:
    """Run ``role`` in this process until SIGTERM; the server needs a ``listener``."""
    import uvloop

    uvloop.run(_serve(role, settings, listener))


def _serve(
    role: RoleName, settings: Settings, listener: socket.socket | None
) -> Coroutine[Any, Any, None]:
    if role is RoleName.SERVER:
        from fyke.app.server import serve_server

        assert listener is not None  # noqa: S101 - for mypy
        return serve_server(settings, listener)
    if role is RoleName.RUNNER:
        from fyke.app.runner import serve_runner

        return serve_runner(settings)
    from fyke.app.egress import serve_egress

    return serve_egress(settings)
