"""Which request asks for what: the forms of connecting that published Workers and libraries use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from fyke.browser.requests import NEW_PAGE, BrowserRequest, UnusableRequest
from fyke.browser.taps import NO_FILES, is_file

_PAGE = re.compile(r"/devtools/page/([0-9A-Za-z-]{1,64})")
_BROWSER = re.compile(r"/devtools/browser/[^/]*")
_OF_TARGET = re.compile(r"/json/(activate|close)/([0-9A-Za-z-]{1,64})")
UNKNOWN = (
    "nothing is here; connect by WebSocket to /, /ws or /devtools/browser/ID, "
    "or ask for /json/version, /json/list, /json/new?URL"
)


class RouteKind(StrEnum):
    """What a request asks for."""

    BROWSER = "browser"  # the WebSocket of the browser
    LIGHTPANDA = "lightpanda"  # the same, in the form of another browser
    PAGE = "page"  # the WebSocket of a page
    JSON = "json"  # an HTTP endpoint of DevTools
    CAMOUFOX = "camoufox"


@dataclass(frozen=True, slots=True)
class BrowserRoute:
    """``method`` and ``target`` are those of the request to Chromium; the target of ``BROWSER`` and
    ``LIGHTPANDA`` is found out by the connection.
    """

    kind: RouteKind
    target: str = ""
    method: str = "GET"


def find_route(request: BrowserRequest) -> BrowserRoute:
    """Raise ``UnusableRequest`` for a request that no form has."""
    path = request.path.rstrip("/") or "/"
    if request.upgrades:
        return _upgrade_route(path)
    if path == "/json" or path.startswith("/json/"):
        return _json_route(request, path)
    if path == "/camoufox" or path.startswith("/camoufox/"):
        return BrowserRoute(RouteKind.CAMOUFOX)
    raise UnusableRequest(UNKNOWN, 404)


def _upgrade_route(path: str) -> BrowserRoute:
    if path in ("/", "/ws", "/devtools/browser"):
        return BrowserRoute(RouteKind.BROWSER)
    if path == "/devtools/browser/new":
        return BrowserRoute(RouteKind.LIGHTPANDA)
    if _BROWSER.fullmatch(path):  # clients that keep the id of a browser that has ended
        return BrowserRoute(RouteKind.BROWSER)
    if _PAGE.fullmatch(path):
        return BrowserRoute(RouteKind.PAGE, path)
    raise UnusableRequest(UNKNOWN, 404)


def _json_route(request: BrowserRequest, path: str) -> BrowserRoute:
    if path == NEW_PAGE:
        if request.method not in ("GET", "PUT", "POST"):
            raise UnusableRequest("open a page with PUT /json/new?URL", 405)
        if is_file(unquote(request.query)):
            raise UnusableRequest(NO_FILES, 403)
        query = f"?{request.query}" if request.query else ""
        return BrowserRoute(RouteKind.JSON, path + query, "PUT")  # Chromium refuses GET here
    if request.method != "GET":
        raise UnusableRequest("the endpoints below /json are read with GET", 405)
    if path in ("/json", "/json/list", "/json/version", "/json/protocol"):
        return BrowserRoute(RouteKind.JSON, path)
    if _OF_TARGET.fullmatch(path):
        return BrowserRoute(RouteKind.JSON, path)
    raise UnusableRequest(UNKNOWN, 404)
