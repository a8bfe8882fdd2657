"""Requests of the console: checks before the page, preferences, errors, compression."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response
from structlog.testing import capture_logs

from fyke.api.errors import REQUEST_ID
from fyke.api.transport import PAGE, VISIT
from fyke.console.app import Console, ConsoleConfig
from fyke.console.cookies import LANGUAGE, SESSION, THEME, ZONE
from fyke.console.page import ConsolePage
from fyke.console.statics import package_statics
from fyke.console.view import View
from fyke.domain.accounts.codes import CodeCheck
from fyke.domain.accounts.passwords import Passwords
from fyke.domain.accounts.sessions import Sessions, SignedInUser
from fyke.errors import Unavailable
from fyke.kit.clock import ManualClock
from fyke.kit.sealing import Sealer
from fyke.model.user import Purpose
from support import records
from support.auth import PASSWORD, Auth, open_auth
from support.memory import MemoryStorage
from support.prepared import state_in
from support.refusals import RecordedRefusals
from support.views import VISIT as PEER
from support.views import scope_of

pytestmark = pytest.mark.anyio

STATICS = package_statics()
OWN_ORIGIN = {"origin": PEER.origin}


class Pages:
    """Some pages, and the views that reached them."""

    def __init__(self) -> None:
        self.views: list[View] = []
        self.refusals = RecordedRefusals()
        self.counted = 0
        self.text = "short"

    async def show(self, view: View) -> Response:
        self.views.append(view)
        return Response(self.text, media_type="text/html")

    async def cookie(self, view: View) -> Response:
        response = Response(self.text, media_type="text/html")
        response.set_cookie("a", "b")
        return response

    async def fail(self, view: View) -> Response:
        raise ZeroDivisionError

    async def sidebar_counts(self, signed_in: SignedInUser) -> Mapping[str, int]:
        self.counted += 1
        return {"runs": 3}

    def all(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", "/login", self.show),
            ConsolePage("GET", "/runs", self.show),
            ConsolePage("GET", "/runs/{id}", self.show, part=True),
            ConsolePage("POST", "/runs/{id}", self.show, form_bytes=100),
            ConsolePage("DELETE", "/runs/{id}", self.show, form_bytes=0),
            ConsolePage("GET", "/admin", self.show, operator=True),
            ConsolePage("GET", "/setup", self.cookie),
            ConsolePage("GET", "/invite", self.fail),
        ]


class Browser:
    """Sends requests to the console, with the session that it has."""

    def __init__(self, console: Console, token: str = "") -> None:
        self.console = console
        self.token = token

    async def ask(
        self,
        path: str,
        method: str = "GET",
        body: bytes = b"",
        cookies: Mapping[str, str] | None = None,
        **headers: str,
    ) -> Response:
        sent = {SESSION: self.token, **(cookies or {})}
        crumbs = "; ".join(f"{name}={value}" for name, value in sent.items() if value)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        scope = scope_of(method, path, (), headers | ({"cookie": crumbs} if crumbs else {}))
        scope |= {VISIT: PEER, REQUEST_ID: "01REQUEST"}
        answer: dict[str, Any] = {}

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            answer.update(message)

        await self.console(scope, receive, send)
        assert scope[PAGE] is True
        response = Response(answer["body"], answer["status"])
        response.raw_headers = list(answer["headers"])
        return response


@pytest.fixture
async def auth(tmp_path: Path) -> AsyncIterator[Auth]:
    async with open_auth(state_in(tmp_path)) as auth:
        yield auth


@pytest.fixture
def pages() -> Pages:
    return Pages()


def console_of(pages: Pages, sessions: Sessions, clock: ManualClock) -> Console:
    config = ConsoleConfig(b"s" * 32, rate_limit=2)
    return Console(
        sessions, pages.refusals, pages.all(), config, STATICS, pages.sidebar_counts, clock
    )


@pytest.fixture
def guest(pages: Pages) -> Browser:
    clock = ManualClock()
    storage = MemoryStorage(clock)
    codes = CodeCheck(storage, clock, Sealer(b"secret"))
    sessions = Sessions(storage, clock, Passwords(), codes)
    return Browser(console_of(pages, sessions, clock))


@pytest.fixture
async def owner(pages: Pages, auth: Auth) -> Browser:
    console = console_of(pages, auth.sessions, auth.clock)
    return Browser(console, (await auth.set_up()).token)


async def test_a_guest_is_redirected_to_the_sign_in(guest: Browser, pages: Pages) -> None:
    redirect = await guest.ask("/runs")
    assert (redirect.status_code, redirect.headers["location"]) == (303, "/login?next=%2Fruns")
    assert (await guest.ask("/login")).status_code == 200
    assert [view.path for view in pages.views] == ["/login"]


async def test_an_invalid_session_token_does_not_sign_in(owner: Browser, pages: Pages) -> None:
    redirect = await Browser(owner.console, "made-up").ask("/runs")
    assert redirect.status_code == 303
    assert pages.views == []


async def test_a_signed_in_user_gets_the_page_with_the_counts_of_the_sidebar(
    owner: Browser, pages: Pages
) -> None:
    assert (await owner.ask("/runs")).status_code == 200
    assert pages.views[0].caller.user_name == "owner"
    assert pages.views[0].sidebar_counts == {"runs": 3}
    await owner.ask("/runs/x")
    assert pages.counted == 1, "a part of a page shows no side bar"
    assert pages.views[1].param("id") == "x"


async def test_an_unknown_path_is_404_and_a_wrong_method_405(guest: Browser) -> None:
    assert (await guest.ask("/nothing")).status_code == 404
    refused = await guest.ask("/runs/x", "PUT")
    assert refused.status_code == 405
    assert b"this address takes DELETE, GET, POST" in refused.body


async def test_a_cross_site_form_is_refused_before_it_is_read(owner: Browser, pages: Pages) -> None:
    for headers in ({}, {"origin": "https://evil.example"}):
        refused = await owner.ask("/runs/x", "POST", b"a=1", **headers)
        assert refused.status_code == 403
    assert pages.views == []
    await owner.ask("/runs/x", "POST", b"a=1", **OWN_ORIGIN)
    assert pages.views[0].form.get("a") == "1"


async def test_the_size_of_a_form_is_limited_by_its_page(owner: Browser, pages: Pages) -> None:
    large = await owner.ask("/runs/x", "POST", b"a=" + b"1" * 99, **OWN_ORIGIN)
    assert large.status_code == 413
    assert (await owner.ask("/runs/x", "DELETE", b"a=1", **OWN_ORIGIN)).status_code == 200
    assert pages.views[0].form.pairs == [], "its handler reads it"


async def test_a_page_of_the_operator_is_forbidden_to_other_accounts(
    owner: Browser, auth: Auth, pages: Pages
) -> None:
    account, user = records.account(), records.user("", name="ada")
    user = replace(user, account_id=account.id)
    await auth.storage.write(lambda tx: (tx.accounts.add(account), tx.accounts.add_user(user)))
    link = await auth.users.link(replace(auth.owner, account_id=account.id), "ada")
    session = await auth.links.use(Purpose.INVITE, link.token, PASSWORD, "a browser", "192.0.2.7")
    other = Browser(owner.console, session.token)
    assert (await other.ask("/runs")).status_code == 200
    assert (await other.ask("/admin")).status_code == 403
    assert pages.refusals.of_callers == [
        (user.id, PEER.address, "GET /admin", "This page is for the operator of the installation")
    ]
    assert (await owner.ask("/admin")).status_code == 200


async def test_requests_are_limited_for_each_session_and_for_guests_of_an_address(
    owner: Browser, auth: Auth
) -> None:
    guest = Browser(owner.console)
    answers = [await owner.ask("/runs") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [429]
    assert answers[-1].headers["retry-after"] == "1"
    assert (await guest.ask("/login")).status_code == 200
    auth.clock.advance(1)
    assert (await owner.ask("/runs")).status_code == 200


async def test_an_exception_of_a_page_becomes_an_error_page(guest: Browser) -> None:
    with capture_logs() as logged:
        failed = await guest.ask("/invite")
    assert failed.status_code == 500
    assert b"01REQUEST" in failed.body
    [entry] = logged
    assert (entry["log_level"], entry["key"]) == ("error", "ZeroDivisionError")
    assert entry["request_id"] == "01REQUEST" and entry["exc_info"]


async def test_an_unavailable_session_store_is_an_error_without_sign_out(
    owner: Browser, auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_: object) -> SignedInUser:
        raise Unavailable

    monkeypatch.setattr(auth.sessions, "authenticate", down)
    assert (await owner.ask("/runs")).status_code == 503


async def test_preferences_of_the_user_override_those_of_the_browser(
    owner: Browser, auth: Auth, pages: Pages
) -> None:
    guest = Browser(owner.console)
    cookies = {LANGUAGE: "zh-Hans", THEME: "dark", ZONE: "Asia/Tokyo"}
    await guest.ask("/login", cookies=cookies)
    await guest.ask("/login", cookies={THEME: "<b>", ZONE: "Nowhere"}, accept_language="zh")
    user = await auth.user("owner")
    caller = replace(auth.owner, user_id=user.id)
    await auth.profiles.change_preferences(
        caller, language="en", theme="light", time_zone="Europe/Berlin", snippets=""
    )
    auth.clock.advance(2)
    await owner.ask("/runs", cookies=cookies)
    seen = [(v.language.tag, v.theme, str(v.zone)) for v in pages.views]
    assert seen == [
        ("zh-Hans", "dark", "Asia/Tokyo"), ("zh-Hans", "", "UTC"), ("en", "light", "Europe/Berlin"),
    ]  # fmt: skip


async def test_a_long_page_is_compressed_for_a_browser_that_accepts_gzip(
    guest: Browser, pages: Pages
) -> None:
    pages.text = "x" * 2000
    small = await guest.ask("/login", accept_encoding="gzip, br")
    assert small.headers["content-encoding"] == "gzip"
    assert gzip.decompress(bytes(small.body)) == b"x" * 2000
    assert small.headers["content-length"] == str(len(small.body))
    assert "content-encoding" not in (await guest.ask("/login", accept_encoding="br")).headers
    pages.text = "x" * 1000
    assert "content-encoding" not in (await guest.ask("/login", accept_encoding="gzip")).headers


async def test_an_answer_that_sets_a_cookie_is_not_compressed(guest: Browser, pages: Pages) -> None:
    pages.text = "x" * 2000
    assert "content-encoding" not in (await guest.ask("/setup", accept_encoding="gzip")).headers


def test_has_is_true_for_paths_of_pages_with_any_method(guest: Browser) -> None:
    assert guest.console.has("/runs/x")
    assert not guest.console.has("/runs/x/y")
