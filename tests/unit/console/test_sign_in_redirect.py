"""Forms that are kept while a visitor confirms the password or signs in again."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import html
from starlette.responses import Response

from fyke.console.forms import PostedForm
from fyke.console.page import ConsolePage
from fyke.console.pages.webhooks import WebhookPages
from fyke.console.sign_in_redirect import ask_to_confirm, pending_request_of
from fyke.console.view import View
from fyke.domain.accounts.sessions import SignedInUser
from fyke.model.user import Preferences
from support import records
from support.memory import caller_of
from support.views import view_of

PAIRS = [("name", "ci"), ("scopes", "read"), ("scopes", "run"), ("pending_path", "/x")]


async def handler(view: View) -> Response:
    raise NotImplementedError


def signed_in() -> SignedInUser:
    account = records.account()
    return SignedInUser(caller_of(account), records.user(account.id), "session", Preferences())


def page(method: str = "POST", **more: object) -> ConsolePage:
    return ConsolePage(method, "/keys/new", handler, area="/keys", **more)  # type: ignore[arg-type]


def fields(answer: Response) -> list[tuple[str, str]]:
    """The hidden fields of the confirmation form."""
    tree = html.fromstring(bytes(answer.body).decode())
    hidden = tree.xpath("//form//input[@type='hidden'] | //form//textarea")
    return [(item.get("name"), item.get("value") or (item.text or "")[1:]) for item in hidden]


@pytest.mark.parametrize("code", [False, True])
def test_a_form_is_kept_in_order_while_the_password_is_confirmed(code: bool) -> None:
    view = view_of("/keys/new", method="POST", form=PAIRS, signed_in=signed_in())
    answer = ask_to_confirm(view, page(), code=code)
    assert answer.status_code == 403
    assert (b'name="code"' in bytes(answer.body)) is code
    kept = [(f"pending.{name}", value) for name, value in PAIRS]
    assert fields(answer) == [("next", "/keys"), ("pending_path", "/keys/new"), *kept]


def test_a_form_with_a_password_is_not_kept() -> None:
    view = view_of("/keys/new", method="POST", form=[("old", "secret")], signed_in=signed_in())
    answer = ask_to_confirm(view, page(excluded=frozenset({"old"})), code=False)
    assert fields(answer) == [("next", "/keys")]
    assert b"secret" not in bytes(answer.body)


@pytest.mark.parametrize(("channel", "kept"), [("slack", False), ("", False), ("webhook", True)])
@pytest.mark.parametrize("path", ["/settings/webhooks/new", "/settings/webhooks/{id}/edit"])
def test_the_address_of_a_chat_is_not_kept(path: str, channel: str, kept: bool) -> None:
    pages = WebhookPages(Any, Any, Any).pages()  # type: ignore[arg-type]
    [found] = [one for one in pages if (one.method, one.path) == ("POST", path)]
    form = PostedForm([("url", "https://a.example/secret"), ("channel", channel)])
    assert ("url" in found.excluded_of(form)) is not kept
    assert "token" in found.excluded_of(form)


@pytest.mark.parametrize(
    ("method", "headers", "target"),
    [("GET", {}, "%2Fkeys%2Fnew%3Fa%3D1"), ("POST", {"hx-request": "true"}, "%2Fkeys")],
)
def test_without_a_form_the_visitor_is_led_to_the_confirmation(
    method: str, headers: dict[str, str], target: str
) -> None:
    view = view_of("/keys/new", method=method, query=[("a", "1")], headers=headers)
    answer = ask_to_confirm(view, page(method), code=True)
    location = answer.headers.get("hx-redirect") or answer.headers["location"]
    assert location == f"/settings/confirm?next={target}"


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/keys/new?a=1", "/keys/new?a=1"), ("https://evil.example", "/"), ("//evil.example", "/")],
)
def test_a_kept_form_is_sent_to_this_server_only(path: str, expected: str) -> None:
    form = [("pending_path", path), ("pending.name", "ci"), ("name", "other")]
    assert pending_request_of(view_of(form=form)) == (expected, [("name", "ci")])
    assert pending_request_of(view_of(form=[("pending.name", "ci")])) == ("", [])
