"""The table of requests and what they ask for."""

from __future__ import annotations

import pytest

from fyke.browser.requests import UnusableRequest, parse_request
from fyke.browser.routes import BrowserRoute, RouteKind, find_route

BROWSER = BrowserRoute(RouteKind.BROWSER)


def route(target: str, method: str = "GET", *, upgrade: bool = False) -> BrowserRoute:
    lines = "Upgrade: websocket\r\nConnection: Upgrade\r\n" if upgrade else ""
    return find_route(parse_request(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode()))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/", BROWSER),
        ("/?apiKey=a:b", BROWSER),
        ("/ws", BROWSER),
        ("/ws/?apiKey=a:b", BROWSER),
        ("/devtools/browser", BROWSER),
        ("/devtools/browser/", BROWSER),
        ("/devtools/browser/0e3f-01", BROWSER),
        ("/devtools/browser/of-an-earlier-one", BROWSER),
        ("ws://a:b@chrome-ws-inner.cafescraper.com", BROWSER),
        ("/devtools/browser/new", BrowserRoute(RouteKind.LIGHTPANDA)),
        ("ws://a:b@lightpanda-inner/devtools/browser/new", BrowserRoute(RouteKind.LIGHTPANDA)),
        ("/devtools/page/0CC3-F", BrowserRoute(RouteKind.PAGE, "/devtools/page/0CC3-F")),
    ],
)
def test_upgrades(target: str, expected: BrowserRoute) -> None:
    assert route(target, upgrade=True) == expected


@pytest.mark.parametrize(
    ("method", "target", "to_chromium"),
    [
        ("GET", "/json", "GET /json"),
        ("GET", "/json/", "GET /json"),
        ("GET", "/json/list", "GET /json/list"),
        ("GET", "/json/list/", "GET /json/list"),
        ("GET", "/json/version", "GET /json/version"),
        ("GET", "/json/version/", "GET /json/version"),
        ("GET", "/json/version?token=a:b", "GET /json/version"),
        ("GET", "/json/protocol", "GET /json/protocol"),
        ("GET", "/json/new", "PUT /json/new"),
        ("PUT", "/json/new?http://a/?b=c", "PUT /json/new?http://a/?b=c"),
        ("GET", "/json/new?about:blank", "PUT /json/new?about:blank"),
        ("GET", "/json/activate/0CC3-F", "GET /json/activate/0CC3-F"),
        ("GET", "/json/close/0CC3-F", "GET /json/close/0CC3-F"),
    ],
)
def test_endpoints(method: str, target: str, to_chromium: str) -> None:
    found = route(target, method)
    assert (found.kind, f"{found.method} {found.target}") == (RouteKind.JSON, to_chromium)


@pytest.mark.parametrize(
    ("method", "target", "kind"),
    [
        ("GET", "/camoufox", RouteKind.CAMOUFOX),
        ("POST", "/camoufox/start", RouteKind.CAMOUFOX),
    ],
)
def test_other_forms(method: str, target: str, kind: RouteKind) -> None:
    assert route(target, method).kind is kind


@pytest.mark.parametrize(
    ("method", "target", "upgrade", "status"),
    [
        ("GET", "/", False, 404),
        ("GET", "/ws", False, 404),
        ("GET", "/session", False, 404),
        ("GET", "/jsonp", False, 404),
        ("GET", "/json/unknown", False, 404),
        ("GET", "/json/close/../../x", False, 404),
        ("GET", "/json/close/a%2Fb", False, 404),
        ("GET", "/json/new?file:///etc/passwd", False, 403),
        ("PUT", "/json/new?FILE%3A///etc/passwd", False, 403),
        ("PUT", "/json/new?%20file:///", False, 403),
        ("DELETE", "/json/new", False, 405),
        ("POST", "/json/list", False, 405),
        ("GET", "/json/version", True, 404),
        ("GET", "/devtools/page/", True, 404),
        ("GET", "/devtools/page/a/b", True, 404),
        ("GET", "/devtools/browser/a/b", True, 404),
        ("GET", "/other", True, 404),
    ],
)
def test_anything_else_is_refused(method: str, target: str, upgrade: bool, status: int) -> None:
    with pytest.raises(UnusableRequest) as refused:
        route(target, method, upgrade=upgrade)
    assert refused.value.status == status
