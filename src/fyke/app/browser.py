"""The browser role: the gateway that connects Workers to their browsers."""

from __future__ import annotations

from fyke.app.serving import until_stopped
from fyke.browser.driver_routes import LaunchRoutes, WebDriverRoutes
from fyke.browser.process import serve_gateway
from fyke.settings import Settings


async def serve_browser(settings: Settings) -> None:
    """Run the gateway until SIGTERM."""
    routes = (LaunchRoutes(), WebDriverRoutes())
    await until_stopped(serve_gateway(settings.browser_socket, routes=routes))
