"""The roles by name. The module of a role is imported when it is run."""

from __future__ import annotations

from collections.abc import Coroutine
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

    from fyke.app.heartbeat import Heartbeat
    from fyke.settings import Settings


class RoleName(StrEnum):
    """The roles, which can run in separate processes."""

    SERVER = "server"
    RUNNER = "runner"
    EGRESS = "egress"
    BROWSER = "browser"
    GATEWAY = "gateway"


def run_role(
    role: RoleName,
    settings: Settings,
    listener: socket.socket | None = None,
    supervisor: socket.socket | None = None,
    name: str = "",
) -> None:
    """Run ``role`` in this process until SIGTERM; the server needs a ``listener``. It reports to
    the ``supervisor``, if there is one, as ``name``.
    """
    import uvloop

    uvloop.run(_run(role, settings, listener, supervisor, name or role.value))


async def _run(
    role: RoleName,
    settings: Settings,
    listener: socket.socket | None,
    supervisor: socket.socket | None,
    name: str,
) -> None:
    from fyke.app.heartbeat import Heartbeat

    heartbeat = Heartbeat(name, supervisor)
    async with heartbeat.running():
        await _serve(role, settings, listener, heartbeat)


def _serve(
    role: RoleName, settings: Settings, listener: socket.socket | None, heartbeat: Heartbeat
) -> Coroutine[Any, Any, None]:
    if role is RoleName.SERVER:
        from fyke.app.server import serve_server

        assert listener is not None  # noqa: S101 - for mypy
        return serve_server(settings, listener, heartbeat)
    if role is RoleName.RUNNER:
        from fyke.app.folder import is_node

        if is_node(settings.home):
            from fyke.app.node import serve_node

            return serve_node(settings, heartbeat.need_browser if heartbeat.supervised else None)
        from fyke.app.runner_role import serve_runner

        return serve_runner(settings, heartbeat)
    if role is RoleName.BROWSER:
        from fyke.app.browser import serve_browser

        return serve_browser(settings, may_end=heartbeat.supervised)
    if role is RoleName.GATEWAY:
        from fyke.app.gateway import serve_gateway

        return serve_gateway(settings, heartbeat)
    from fyke.app.egress import serve_egress

    return serve_egress(settings)
