"""The browser role: a process that connects Workers to the browsers of their attempts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from fyke.browser.connection import ExtraRoutes
from fyke.browser.control import RunnerSession
from fyke.browser.gateway import Gateway
from fyke.browser.limits import GatewayLimits
from fyke.browser.view_sessions import LiveViews, ViewSession
from fyke.kit.descriptors import raise_limit
from fyke.kit.requests import ClosableSession, serve_clients


async def serve_gateway(
    socket_path: Path,
    *,
    limits: GatewayLimits | None = None,
    routes: Sequence[ExtraRoutes] = (),
    ready: asyncio.Event | None = None,
    view_path: Path | None = None,
    idle_seconds: float | None = None,
) -> None:
    """Serve runners at ``socket_path`` until cancelled; ``ready`` is set once it listens. With a
    ``view_path``, serve live views to servers there. With ``idle_seconds``, return when there was
    no attempt for so long.

    Raise ``OSError`` when another process serves a path.
    """
    raise_limit()  # every connection needs two descriptors
    gateway = Gateway(limits, routes)
    sessions: set[ClosableSession] = set()
    serving = [
        serve_clients(
            socket_path,
            lambda sock: RunnerSession(sock, gateway, sessions.discard),
            sessions,
            ready,
        )
    ]
    if view_path is not None:
        serving.append(_serve_views(view_path, gateway))
    if idle_seconds is not None:
        serving.append(gateway.until_idle(idle_seconds))
    tasks = [asyncio.create_task(one) for one in serving]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        gateway.stop()


async def _serve_views(path: Path, gateway: Gateway) -> None:
    views, sessions = LiveViews(gateway), set[ClosableSession]()
    try:
        await serve_clients(path, lambda sock: ViewSession(sock, views, sessions.discard), sessions)
    finally:
        views.stop()
