"""The attributes of cookies."""

from __future__ import annotations

from http.cookies import SimpleCookie

import pytest
from starlette.requests import Request
from starlette.responses import Response

from fyke.api.network import Visit
from fyke.console import cookies
from support.views import scope_of

HTTP = Visit("192.0.2.1", "http://127.0.0.1:8100")
HTTPS = Visit("192.0.2.1", "https://fyke.example")


def set_by(response: Response) -> SimpleCookie:
    return SimpleCookie(response.headers["set-cookie"])


def all_set_by(response: Response) -> SimpleCookie:
    cookies = SimpleCookie()
    for header in response.headers.getlist("set-cookie"):
        cookies.load(header)
    return cookies


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


@pytest.mark.parametrize("visit", [HTTP, HTTPS])
def test_every_cookie_is_bound_to_host_and_https(visit: Visit) -> None:
    notices = cookies.Notices(b"s" * 32)
    response = Response()
    cookies.set_session(response, visit, "token")
    for name in (cookies.LANGUAGE, cookies.THEME, cookies.ZONE):
        cookies.set_preference(response, visit, name, "value")
    notices.put(response, visit, cookies.Notice("done"))
    for name, cookie in all_set_by(response).items():
        assert name.startswith("__Host-") is (visit is HTTPS), name
        assert bool(cookie["secure"]) is (visit is HTTPS), name
        assert (cookie["path"], cookie["domain"], cookie["samesite"]) == ("/", "", "lax"), name
    assert len(all_set_by(response)) == 5


@pytest.mark.parametrize("visit", [HTTP, HTTPS])
def test_what_is_set_is_read_and_deleted(visit: Visit) -> None:
    notices = cookies.Notices(b"s" * 32)
    response, dropped = Response(), Response()
    cookies.set_session(response, visit, "token")
    cookies.set_preference(response, visit, cookies.THEME, "dark")
    notices.put(response, visit, cookies.Notice("done", "warn"))
    crumbs = "; ".join(f"{n}={item.coded_value}" for n, item in all_set_by(response).items())
    request = Request(scope_of("GET", "/", headers={"cookie": crumbs}))
    assert cookies.session_token(request, visit) == "token"
    assert cookies.read(request, visit, cookies.THEME) == "dark"
    assert notices.take(request, visit) == cookies.Notice("done", "warn")
    cookies.drop_session(dropped, visit)
    cookies.set_preference(dropped, visit, cookies.THEME, "")
    notices.drop(dropped, visit)
    deleted = all_set_by(dropped)
    assert deleted.keys() == all_set_by(response).keys()
    assert {item["max-age"] for item in deleted.values()} == {"0"}


def test_over_https_no_cookie_is_read_that_another_host_could_set() -> None:
    crumbs = "; ".join(f"{name}=forged" for name in (cookies.SESSION, cookies.ZONE, cookies.NOTICE))
    request = Request(scope_of("GET", "/", headers={"cookie": crumbs}))
    assert cookies.session_token(request, HTTPS) == ""
    assert cookies.read(request, HTTPS, cookies.ZONE) == ""
    assert cookies.read(request, HTTP, cookies.ZONE) == "forged"
