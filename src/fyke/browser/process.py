"""The browser role: a process that connects Workers to the browsers of their attempts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from fyke.browser.connection import ExtraRoutes
from fyke.browser.control import RunnerSession
from fyke.browser.gateway import Gateway
from fyke.browser.limits import GatewayLimits
from fyke.kit.descriptors import raise_limit
from fyke.kit.requests import ClosableSession, serve_clients


async def serve_gateway(
    socket_path: Path,
    *,
    limits: GatewayLimits | None = None,
    routes: Sequence[ExtraRoutes] = (),
    ready: asyncio.Event | None = None,
) -> None:
    """Serve runners at ``socket_path`` until cancelled; ``ready`` is set once it listens.

    Raise ``OSError`` when another process serves the path.
    """
    raise_limit()  # every connection needs two descriptors
    gateway = Gateway(limits, routes)
    sessions: set[ClosableSession] = set()
    try:
        await serve_clients(
            socket_path,
            lambda sock: RunnerSession(sock, gateway, sessions.discard),
            sessions,
            ready,
        )
    finally:
        gateway.stop()
