"""The browser role: the front that connects Workers to their browsers."""

from __future__ import annotations

from fyke.app.serving import until_stopped
from fyke.browser.driver_routes import LaunchRoutes, WebDriverRoutes
from fyke.browser.process import serve_front
from fyke.settings import Settings


async def serve_browser(settings: Settings) -> None:
    """Run the front until SIGTERM."""
    routes = (LaunchRoutes(), WebDriverRoutes())
    await until_stopped(serve_front(settings.browser_socket, routes=routes))
