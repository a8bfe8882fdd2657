"""The browser role: the gateway that connects Workers to their browsers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from fyke.app.serving import until_stopped
from fyke.browser.driver_routes import LaunchRoutes, WebDriverRoutes
from fyke.browser.limits import GatewayLimits
from fyke.browser.process import serve_gateway

if TYPE_CHECKING:
    from fyke.settings import Settings


IDLE_SECONDS = 600.0


async def serve_browser(settings: Settings, *, may_end: bool = False) -> None:
    """Run the gateway until SIGTERM; if it ``may_end``, until it had no attempt for ten minutes."""
    views = settings.browser_view_socket if settings.browser_live else None
    await until_stopped(_serve(settings, views, IDLE_SECONDS if may_end else None))


@contextlib.asynccontextmanager
async def gateway_here(settings: Settings) -> AsyncIterator[None]:
    """Run the gateway in this process and loop while the context is open. Raise ``OSError`` at the
    end when it could not listen.
    """
    serving = asyncio.create_task(_serve(settings))
    try:
        yield
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


async def _serve(
    settings: Settings, view_path: Path | None = None, idle_seconds: float | None = None
) -> None:
    limits = GatewayLimits(instances=settings.browser_instances)
    routes = (LaunchRoutes(), WebDriverRoutes())
    await serve_gateway(
        settings.browser_socket,
        limits=limits,
        routes=routes,
        view_path=view_path,
        idle_seconds=idle_seconds,
    )
