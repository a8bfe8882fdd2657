"""A visitor of the console for tests: the real application, called by ASGI, with a session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from lxml import html

from fyke.console.view import CONTENT_POLICY
from fyke.domain.accounts.first_password import set_first_password
from fyke.domain.accounts.sessions import Sessions
from support.app import App, fast_passwords

BASE = "http://127.0.0.1"
FROM_OUR_PAGE = {"sec-fetch-site": "same-origin", "origin": BASE}


class Visitor:
    """Requests pages as a browser does, without JavaScript, and checks the common rules."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http

    async def get(
        self, path: str, *, part: bool = False, status: int = 200, **options: Any
    ) -> Page:
        """Request a page; ``part``: with the header of htmx, for a part of the page."""
        return _checked(await self.http.get(path, headers=_headers(part), **options), status, part)

    async def post(
        self,
        path: str,
        data: Mapping[str, str | Sequence[str]] | None = None,
        *,
        part: bool = False,
        status: int = 303,
        **options: Any,
    ) -> Page:
        headers = {**_headers(part), **FROM_OUR_PAGE}
        answer = await self.http.post(path, data=data or {}, headers=headers, **options)
        return _checked(answer, status, part)


class Page:
    """An answer with its HTML parsed."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer
        self.status = answer.status_code
        self.raw = answer.text
        self.location = answer.headers.get("location", "")
        self.tree = html.fromstring(self.raw) if self.raw.strip() else html.Element("html")

    @property
    def text(self) -> str:
        """The text of the page, with white space as single spaces."""
        return " ".join(" ".join(self.tree.itertext()).split())

    def all(self, path: str) -> list[Any]:
        """Return the elements or texts that match the XPath."""
        matches = self.tree.xpath(path)
        assert isinstance(matches, list)
        return matches

    def one(self, path: str) -> Any:
        matches = self.all(path)
        assert len(matches) == 1, f"{len(matches)} of {path} in {self.text[:2000]}"
        return matches[0]

    def value(self, name: str) -> str:
        """Return the value of the control of this name."""
        control = self.all(f"//*[@name={name!r}]")[0]
        if control.tag == "select":
            return str(
                (control.xpath(".//option[@selected]") or control.xpath(".//option"))[0].get(
                    "value"
                )
            )
        if control.tag == "textarea":
            return (control.text or "").removeprefix("\n")
        return str(control.get("value", ""))


def _headers(part: bool) -> dict[str, str]:
    partial = {"hx-request": "true", "hx-request-type": "partial"} if part else {}
    return {"accept": "text/html", "accept-language": "en", **partial}


def _checked(answer: httpx2.Response, status: int, part: bool) -> Page:
    assert answer.status_code == status, (answer.status_code, answer.headers, answer.text[-3000:])
    assert answer.headers["x-request-id"]
    assert "access-control-allow-origin" not in answer.headers
    page = Page(answer)
    if not answer.headers.get("content-type", "").startswith("text/html"):
        return page
    assert answer.headers["content-security-policy"] == CONTENT_POLICY
    assert "Traceback" not in page.raw
    for banned in ("//@style", "//@onclick", "//script[not(@src)]", "//style"):
        assert not page.all(banned), banned
    if not part:
        assert len(page.all("//h1")) == 1, "a page has one first heading"
    return page


@asynccontextmanager
async def visitor(app: App, user_id: str | None = None, **config: Any) -> AsyncIterator[Visitor]:
    """A visitor signed in as the user, by default as the owner."""
    transport = httpx2.ASGITransport(app=app.asgi(**config), client=("127.0.0.1", 50_000))
    token = await sign_in(app.services.sessions, app, user_id)
    async with httpx2.AsyncClient(
        transport=transport, base_url=BASE, cookies={"fyke_session": token}
    ) as http:
        yield Visitor(http)


@asynccontextmanager
async def stranger(app: App, **config: Any) -> AsyncIterator[Visitor]:
    """A visitor without a session."""
    transport = httpx2.ASGITransport(app=app.asgi(**config), client=("127.0.0.1", 50_001))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as http:
        yield Visitor(http)


async def sign_in(sessions: Sessions, app: App, user_id: str | None = None) -> str:
    """Start a session without a password; return its token."""
    chosen = user_id or app.owner.user_id
    user = await app.storage.read(lambda tx: tx.accounts.user(chosen))
    assert user is not None
    return (await sessions.start(user, "a test", "127.0.0.1")).token


async def set_password(app: App, password: str = "a long enough secret") -> str:
    """Set the owner's first password, without ending sessions; return it."""
    assert await set_first_password(app.storage, fast_passwords(), password)
    return password
