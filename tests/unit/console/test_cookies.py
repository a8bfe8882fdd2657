"""The attributes of cookies."""

from __future__ import annotations

from http.cookies import SimpleCookie

import pytest
from starlette.responses import Response

from fyke.api.network import Visit
from fyke.console import cookies

HTTP = Visit("192.0.2.1", "http://127.0.0.1:8100")
HTTPS = Visit("192.0.2.1", "https://fyke.example")


def set_by(response: Response) -> SimpleCookie:
    return SimpleCookie(response.headers["set-cookie"])


@pytest.mark.parametrize("visit", [HTTP, HTTPS])
def test_the_session_cookie_is_bound_to_host_and_https(visit: Visit) -> None:
    response = Response()
    cookies.set_session(response, visit, "token")
    [(name, cookie)] = set_by(response).items()
    secure = visit is HTTPS
    assert name == ("__Host-fyke_session" if secure else "fyke_session")
    assert cookie.value == "token"
    assert bool(cookie["secure"]) is secure
    assert (cookie["path"], cookie["domain"]) == ("/", "")
    assert cookie["httponly"] and cookie["samesite"] == "lax"


def test_over_https_preferences_are_sent_over_https_only() -> None:
    for visit, secure in ((HTTP, False), (HTTPS, True)):
        response = Response()
        cookies.set_preference(response, visit, cookies.THEME, "dark")
        assert bool(set_by(response)[cookies.THEME]["secure"]) is secure
