"""The browser role: a process that connects Workers to the browsers of their attempts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from fyke.browser.connection import ExtraRoutes
from fyke.browser.control import RunnerSession
from fyke.browser.front import Front
from fyke.browser.limits import FrontLimits
from fyke.kit.descriptors import raise_limit
from fyke.kit.requests import ClosableSession, serve_clients


async def serve_front(
    socket_path: Path,
    *,
    limits: FrontLimits | None = None,
    routes: Sequence[ExtraRoutes] = (),
    ready: asyncio.Event | None = None,
) -> None:
    """Serve runners at ``socket_path`` until cancelled; ``ready`` is set once it listens.

    Raise ``OSError`` when another process serves the path.
    """
    raise_limit()  # every connection needs two descriptors
    front = Front(limits, routes)
    sessions: set[ClosableSession] = set()
    try:
        await serve_clients(
            socket_path, lambda sock: RunnerSession(sock, front, sessions.discard), sessions, ready
        )
    finally:
        front.stop()
