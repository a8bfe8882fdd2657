"""No other site can use a visitor's session: every unsafe route, every kind of request that a site
can make a browser send, and foreign names in ``Host``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product
from pathlib import Path

import httpx2
import pytest

from fyke.console.page import PUBLIC, ConsolePage
from fyke.console.view import CONTENT_POLICY, PERMISSIONS_POLICY
from support.app import App
from support.owned_objects import records
from support.pages import BASE, FROM_OUR_PAGE, Visitor

pytestmark = pytest.mark.anyio

# Headers of requests that no page of ours has sent; the first combination has none.
FOREIGN: Mapping[str, Mapping[str, str]] = {
    "silent": {},
    "origin": {"origin": "https://evil.example"},
    "null": {"origin": "null"},
    "empty": {"origin": ""},
    "other port": {"origin": "http://127.0.0.1:8080"},
    "our name below theirs": {"origin": "http://127.0.0.1.evil.example"},
    "our name as a user": {"origin": "http://127.0.0.1@evil.example"},
    "cross-site": {"sec-fetch-site": "cross-site"},
    "cross-site, our origin": {"sec-fetch-site": "cross-site", "origin": BASE},
    "same-site": {"sec-fetch-site": "same-site"},
    "address bar": {"sec-fetch-site": "none"},
    "two sites": {"sec-fetch-site": "same-origin, cross-site"},
    "ours, foreign origin": {"sec-fetch-site": "same-origin", "origin": "https://evil.example"},
    "referrer of ours": {"referer": f"{BASE}/"},
    "as htmx": {"hx-request": "true", "origin": "https://evil.example"},
}
ENCODINGS: Mapping[str, tuple[bytes, str]] = {
    "form": (b"a=1", "application/x-www-form-urlencoded"),
    "multipart": (
        b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n',
        "multipart/form-data; boundary=b",
    ),
    "text": (b"a=1", "text/plain"),
    "json": (b'{"a":1}', "application/json"),
    "none": (b"", ""),
}


def unsafe(app: App) -> list[ConsolePage]:
    found = [page for page in app.asgi().state.console.pages if page.unsafe]
    assert len(found) > 10
    return found


def address(page: ConsolePage) -> str:
    """The path of the page with a value for each parameter."""
    return re.sub(r"\{[^}]+\}", "x", page.path)


async def sent(
    visitor: Visitor, page: ConsolePage, headers: Mapping[str, str], encoding: str = "form"
) -> httpx2.Response:
    content, kind = ENCODINGS[encoding]
    named = {"accept": "text/html", **({"content-type": kind} if kind else {}), **headers}
    return await visitor.http.request(page.method, address(page), content=content, headers=named)


def refused(answer: httpx2.Response) -> bool:
    """Whether the request was refused because of its origin."""
    return (
        answer.status_code == 403
        and ("another site" in answer.text or "which page it comes from" in answer.text)
        and "set-cookie" not in answer.headers
        and "location" not in answer.headers
    )


@pytest.mark.parametrize("share", [3, pytest.param(1, marks=pytest.mark.long)])
async def test_every_unsafe_route_refuses_requests_from_other_sites(
    app: App, owner: Visitor, guest: Visitor, tmp_path: Path, share: int
) -> None:
    """The ordinary suite sends each route a third of the requests, in rotation."""
    before = records(tmp_path)
    for number, page in enumerate(unsafe(app)):
        for whence in list(FOREIGN)[number % share :: share]:
            for visitor in (owner, guest) if whence == "cross-site" else (owner,):
                answer = await sent(visitor, page, FOREIGN[whence])
                assert refused(answer), (page.method, page.path, whence, answer.status_code)
    assert records(tmp_path) == before


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.long)])
async def test_every_encoding_of_a_form_is_refused(app: App, owner: Visitor, every: bool) -> None:
    """The ordinary suite sends each route one of the combinations, in rotation."""
    tried = list(product(ENCODINGS, ("null", "cross-site", "silent")))
    for number, page in enumerate(unsafe(app)):
        for encoding, whence in tried if every else [tried[number % len(tried)]]:
            answer = await sent(owner, page, FOREIGN[whence], encoding)
            assert refused(answer), (page.path, encoding, whence, answer.status_code)


async def test_the_same_requests_from_our_own_pages_are_accepted(app: App, owner: Visitor) -> None:
    for page in unsafe(app):
        answer = await sent(owner, page, FROM_OUR_PAGE)
        assert not refused(answer), page.path


async def test_safe_methods_from_any_site_change_nothing(
    app: App, owner: Visitor, tmp_path: Path
) -> None:
    """A link or an image on another site may open any page with the visitor's session."""
    pages = [page for page in app.asgi().state.console.pages if not page.unsafe]
    for page in pages:
        if page.path.endswith("/live"):
            continue  # a stream, which does not end
        headers = {"accept": "text/html", "sec-fetch-site": "cross-site"}
        await owner.http.head(address(page), headers=headers)
    before = records(tmp_path)
    for page in pages:
        if not page.path.endswith("/live"):
            await owner.http.get(address(page), headers={"accept": "text/html"})
    assert records(tmp_path) == before


async def test_only_listed_pages_are_public(app: App, guest: Visitor) -> None:
    pages = app.asgi().state.console.pages
    assert {(page.method, page.path) for page in pages if page.public} == PUBLIC & {
        (page.method, page.path) for page in pages
    }
    assert {(page.method, page.path) for page in pages} >= PUBLIC
    for page in pages:
        if page.public:
            continue
        answer = await sent(guest, page, FROM_OUR_PAGE)
        if page.unsafe:
            assert answer.status_code == 401, page.path
        else:
            assert answer.status_code in (303, 401), page.path
            assert answer.headers.get("location", "/login").startswith("/login"), page.path


@pytest.mark.parametrize(
    "token", ["x", "a" * 43, "../../etc/passwd", "%00", "a" * 5000, '"', "1; DROP TABLE users"]
)
async def test_an_invalid_token_gives_no_access(app: App, guest: Visitor, token: str) -> None:
    for page in app.asgi().state.console.pages:
        if not page.public and not page.unsafe:
            headers = {"accept": "text/html", "cookie": f"fyke_session={token}"}
            answer = await guest.http.get(address(page), headers=headers)
            assert answer.status_code in (303, 401), page.path


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "169.254.169.254",
        "",
        "127.0.0.1, evil.example",
        "evil.example:80",
        "[::ffff:10.0.0.1]",
    ],
)
async def test_another_name_in_host_is_refused(app: App, owner: Visitor, host: str) -> None:
    """Otherwise DNS rebinding would let another site read with the visitor's session."""
    for page in app.asgi().state.console.pages:
        headers = {"accept": "text/html", "host": host, **FROM_OUR_PAGE}
        answer = await owner.http.request(page.method, address(page), headers=headers)
        assert answer.status_code in (400, 421), (page.path, answer.status_code)
        assert "set-cookie" not in answer.headers


async def test_every_page_declares_its_sources_and_who_may_frame_it(
    app: App, owner: Visitor, guest: Visitor
) -> None:
    seen = 0
    for page in app.asgi().state.console.pages:
        if page.part or page.path.endswith("/live"):
            continue
        for visitor in (owner, guest):
            answer = await sent(visitor, page, FROM_OUR_PAGE)
            headers = answer.headers
            assert headers["x-content-type-options"] == "nosniff", page.path
            assert "access-control-allow-origin" not in headers, page.path
            assert "access-control-allow-credentials" not in headers, page.path
            if not headers.get("content-type", "").startswith("text/html"):
                continue
            seen += 1
            assert headers["content-security-policy"] == CONTENT_POLICY, page.path
            assert headers["permissions-policy"] == PERMISSIONS_POLICY, page.path
            assert headers["x-frame-options"] == "DENY", page.path
            assert headers["referrer-policy"] == "same-origin", page.path
            assert headers["cross-origin-opener-policy"] == "same-origin", page.path
            assert "no-store" in headers["cache-control"], page.path
    assert seen > 20


def test_the_content_policy_allows_only_our_own_files() -> None:
    allowed = dict(part.strip().split(" ", 1) for part in CONTENT_POLICY.split(";"))
    assert allowed == {
        "default-src": "'none'",
        "font-src": "'self'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
