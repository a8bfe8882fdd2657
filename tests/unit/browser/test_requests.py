"""Heads of requests, credentials, and the answers of the gateway."""

from __future__ import annotations

import base64

import pytest

from fyke.browser.requests import (
    BrowserRequest,
    UnusableRequest,
    accepted_upgrade,
    answer,
    parse_request,
    upgrade_to_chromium,
    wrong_credentials,
)

ATTEMPT, SECRET = "01ATTEMPT", "s3cret"


def head(first: str, *lines: str) -> bytes:
    return "\r\n".join([first, *lines, "", ""]).encode("latin-1")


def parsed(target: str = "/", *lines: str, method: str = "GET") -> BrowserRequest:
    return parse_request(head(f"{method} {target} HTTP/1.1", *lines))


def test_a_head_is_parsed() -> None:
    request = parsed("/json/new?http://a/b?c=d", "Host: chrome-ws-inner.coreclaw.com:80", "X: 1")
    assert (request.method, request.path, request.query) == (
        "GET",
        "/json/new",
        "http://a/b?c=d",
    )
    assert request.host == "chrome-ws-inner.coreclaw.com:80"
    assert request.value("x") == "1"
    assert request.keeps_alive
    assert request.body_size == 0


def test_methods_in_small_letters_are_served_as_chromium_does() -> None:
    assert parsed("/json/version", method="get").method == "GET"  # nodriver and zendriver


@pytest.mark.parametrize("target", ["ws://u:p@host/ws?a=b", "HTTP://u:p@host:80/ws?a=b"])
def test_an_absolute_target(target: str) -> None:
    request = parsed(target)
    assert (request.path, request.query, request.user_info) == ("/ws", "a=b", "u:p")


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        head("GET /"),
        head("GET / HTTP/1.0"),
        head("GET / HTTP/2"),
        head("GET  / HTTP/1.1"),
        head("G(T / HTTP/1.1"),
        head("GET /\x00 HTTP/1.1"),
        head("GET /\u00e9 HTTP/1.1"),
        head("GET example.com HTTP/1.1"),
        head("GET * HTTP/1.1"),
        head("GET http://[::1/ HTTP/1.1"),
        head("GET / HTTP/1.1", "no colon"),
        head("GET / HTTP/1.1", "Host : a"),
        head("GET / HTTP/1.1", " folded: a"),
        head("GET / HTTP/1.1", "X: a\nY: b"),
        head("GET / HTTP/1.1", *(f"X{number}: a" for number in range(101))),
    ],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(UnusableRequest):
        parse_request(data)


@pytest.mark.parametrize(
    "lines",
    [
        ["Transfer-Encoding: chunked"],
        ["Content-Length: -1"],
        ["Content-Length: 1", "Content-Length: 2"],
        ["Content-Length: 1_0"],
        ["Content-Length: " + "9" * 20],
        ["Content-Length: \xb2"],
    ],
)
def test_a_body_without_a_number_is_refused(lines: list[str]) -> None:
    with pytest.raises(UnusableRequest):
        _ = parsed("/session", *lines, method="POST").body_size


@pytest.mark.parametrize("value", ["a b", "<script>", 'x"y', "", "a" * 256])
def test_an_unusual_host_is_not_repeated(value: str) -> None:
    assert parsed("/", f"Host: {value}").host == "127.0.0.1:9222"


@pytest.mark.parametrize(
    ("lines", "upgrades"),
    [
        (["Upgrade: websocket", "Connection: Upgrade"], True),
        (["upgrade: WebSocket", "connection: keep-alive, upgrade"], True),
        (["Upgrade: h2c, websocket", "Connection: keep-alive", "Connection: Upgrade"], True),
        (["Upgrade: websocket"], False),
        (["Upgrade: h2c", "Connection: Upgrade"], False),
        ([], False),
    ],
)
def test_upgrades(lines: list[str], upgrades: bool) -> None:
    assert parsed("/", *lines).upgrades is upgrades


def basic(text: str) -> str:
    return "Authorization: Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("target", "lines", "wrong"),
    [
        ("/", [], False),
        ("/", [basic(f"{ATTEMPT}:{SECRET}")], False),
        ("/", ["authorization: basic " + basic(f"{ATTEMPT}:{SECRET}").split()[2]], False),
        (f"/ws?apiKey={ATTEMPT}:{SECRET}", [], False),
        (f"/ws?a=b&apiKey={ATTEMPT}%3A{SECRET}", [], False),
        (f"/?token={ATTEMPT}:{SECRET}", [], False),
        (f"ws://{ATTEMPT}:{SECRET}@127.0.0.1:9222/", [], False),
        ("/json/new?http://example.com/?a=1&token=1", [], False),
        ("/", [basic(f"{ATTEMPT}:wrong")], True),
        ("/", [basic(f"{ATTEMPT}:")], True),
        ("/", [basic(SECRET)], True),
        ("/", ["Authorization: Basic ???"], True),
        ("/", ["Authorization: Basic"], True),
        ("/", [f"Authorization: Bearer {SECRET}"], True),
        ("/", [basic(f"{ATTEMPT}:{SECRET}"), basic("a:b")], True),
        ("/ws?apiKey=", [], True),
        (f"/ws?apiKey={SECRET}", [], True),
        (f"/ws?apiKey={ATTEMPT}:{SECRET}&token=no", [], True),
        ("ws://a:b@127.0.0.1:9222/", [], True),
        (f"ws://a:b@127.0.0.1/?apiKey={ATTEMPT}:{SECRET}", [], True),
    ],
)
def test_credentials_are_checked_if_present(target: str, lines: list[str], wrong: bool) -> None:
    assert wrong_credentials(parsed(target, *lines), ATTEMPT, SECRET) is wrong


def test_a_query_with_many_fields_is_refused() -> None:
    query = "&".join(f"apiKey={number}" for number in range(200))
    with pytest.raises(UnusableRequest):
        wrong_credentials(parsed(f"/ws?{query}"), ATTEMPT, SECRET)


def test_answers() -> None:
    assert answer(503, "no", retry_after=5) == (
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Length: 3\r\nRetry-After: 5\r\nConnection: close\r\n\r\nno\n"
    )
    assert b'\r\nWWW-Authenticate: Basic realm="browser"\r\n' in answer(401, "no")
    assert b"Connection" not in answer(200, b"{}", "application/json", keep_alive=True)


KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def test_the_upgrade_follows_the_standard() -> None:
    request = parsed(
        "/",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Extensions: permessage-deflate",
        "Origin: http://example.com",
        basic("a:b"),
        "Host: chrome-ws-inner.coreclaw.com",
    )
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in accepted_upgrade(request)
    assert upgrade_to_chromium(request, 1234, "/devtools/browser/x") == head(
        "GET /devtools/browser/x HTTP/1.1",
        "Host: 127.0.0.1:1234",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
    )


def test_any_word_is_a_key() -> None:
    """As for Chromium; rod sends this one."""
    request = parsed("/", "Sec-WebSocket-Key: nil", "Sec-WebSocket-Version: 13")
    assert b"Sec-WebSocket-Key: nil\r\n" in upgrade_to_chromium(request, 1, "/")


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [f"Sec-WebSocket-Key: {KEY}"],
        ["Sec-WebSocket-Key: two words", "Sec-WebSocket-Version: 13"],
        [f"Sec-WebSocket-Key: {'x' * 65}", "Sec-WebSocket-Version: 13"],
        [f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13\t1"],
        [f"Sec-WebSocket-Key: {KEY}", f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13"],
    ],
)
def test_an_incomplete_upgrade_is_refused(lines: list[str]) -> None:
    with pytest.raises(UnusableRequest):
        upgrade_to_chromium(parsed("/", *lines), 1, "/")
