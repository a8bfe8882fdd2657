"""Swagger UI, served from files in this package: the page requests nothing from other hosts."""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response

from fyke.api.docs.content import FOREVER, REVALIDATE, Content
from fyke.errors import NotFound

# Swagger UI sets style attributes; scripts come from files only.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)

_ASSETS = {
    "swagger-ui-bundle.js": ("swagger_ui", "text/javascript"),
    "swagger-ui.css": ("swagger_ui", "text/css"),
    "start.js": ("page", "text/javascript"),
    "page.css": ("page", "text/css"),
}
_PLACEHOLDER = re.compile(r"\{([a-z-]+\.[a-z]+)\}")


class SwaggerPage:
    """The page and its four files, read at the first request."""

    def __init__(self, folder: Traversable | None = None) -> None:
        self._folder = folder or files(__package__)
        self._assets: dict[str, Content] = {}
        self._page: Content | None = None

    async def page(self, request: Request) -> Response:
        """The HTML; the addresses of its files contain their digests."""
        if self._page is None:
            text = (self._folder / "page" / "page.html").read_text(encoding="utf-8")
            html = _PLACEHOLDER.sub(lambda match: self._address(match[1]), text)
            self._page = Content(html.encode(), "text/html")
        headers = {"content-security-policy": CONTENT_POLICY}
        return await self._page.answer(request, REVALIDATE, headers)

    async def asset(self, request: Request, digest: str, name: str) -> Response:
        """One of the files; raise ``NotFound`` for any other name or digest."""
        if name not in _ASSETS or self._asset(name).digest != digest:
            raise NotFound
        return await self._asset(name).answer(request, FOREVER)

    def _address(self, name: str) -> str:
        return f"api/{self._asset(name).digest}/{name}"

    def _asset(self, name: str) -> Content:
        if name not in self._assets:
            folder, media_type = _ASSETS[name]
            self._assets[name] = Content((self._folder / folder / name).read_bytes(), media_type)
        return self._assets[name]
