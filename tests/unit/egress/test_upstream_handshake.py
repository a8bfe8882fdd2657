"""The handshake with a region's proxy, over a socket pair: exact bytes out, none too many in."""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from fyke.egress.upstream_handshake import (
    UpstreamDown,
    UpstreamFailed,
    http_connect,
    socks_connect,
    socks_greet,
)

pytestmark = pytest.mark.anyio
Call = Callable[[socket.socket], Coroutine[Any, Any, Any]]


async def talk(call: Call, reply: bytes) -> tuple[Any, bytes, bytes]:
    """The result, what the proxy was sent, and what of its reply was left unread."""
    ours, proxy = socket.socketpair()
    with ours, proxy:
        ours.setblocking(False)
        proxy.sendall(reply)
        proxy.shutdown(socket.SHUT_WR)
        found = await call(ours)
        left = ours.recv(1000)
        ours.shutdown(socket.SHUT_WR)
        return found, proxy.recv(100_000), left


def greet(user: str = "", password: str = "") -> Call:
    return lambda sock: socks_greet(sock, user, password)


def tunnel(host: str = "8.8.8.8", user: str = "", password: str = "") -> Call:
    return lambda sock: http_connect(sock, host, 443, user, password)


# --- SOCKS5 --------------------------------------------------------------------------------


async def test_without_a_login_only_no_login_is_offered() -> None:
    assert (await talk(greet(), b"\x05\x00"))[1] == b"\x05\x01\x00"


async def test_a_login_is_sent_only_to_a_proxy_that_asks_for_one() -> None:
    offer = b"\x05\x02\x00\x02"
    _, sent, left = await talk(greet("us", "p"), b"\x05\x02\x01\x00EARLY")
    assert (sent, left) == (offer + b"\x01\x02us\x01p", b"EARLY")
    assert (await talk(greet("us", "p"), b"\x05\x00"))[1] == offer


@pytest.mark.parametrize(
    ("user", "reply", "words"),
    [("", b"\x05\x02", "a login that is not set"), ("", b"\x05\xff", "a login that is not set"),
     ("us", b"\x05\xff", "another kind of login"), ("us", b"\x05\x01", "another kind of login"),
     ("us", b"\x05\x02\x01\x01", "not take our user"), ("us", b"HTTP/1.1 400", "no SOCKS5"),
     ("", b"", "hung up"), ("", b"\x05", "hung up"), ("us", b"\x05\x02\x01", "hung up")],
)  # fmt: skip
async def test_a_greeting_that_fails_says_what_to_look_at(
    user: str, reply: bytes, words: str
) -> None:
    with pytest.raises(UpstreamDown, match=words):
        await talk(greet(user, "p" if user else ""), reply)


@pytest.mark.parametrize(
    ("host", "address"),
    [("8.8.8.8", b"\x01\x08\x08\x08\x08"), ("a.example", b"\x03\x09a.example"),
     ("2001:db8::1", b"\x04\x20\x01\x0d\xb8" + bytes(11) + b"\x01")],
)  # fmt: skip
@pytest.mark.parametrize("bound", [b"\x01" + bytes(4), b"\x04" + bytes(16), b"\x03\x05proxy"])
async def test_a_target_is_asked_for_and_its_first_bytes_are_left(
    host: str, address: bytes, bound: bytes
) -> None:
    reply = b"\x05\x00\x00" + bound + b"\x00\x50"
    _, sent, left = await talk(lambda sock: socks_connect(sock, host, 443), reply + b"220 hello")
    assert (sent, left) == (b"\x05\x01\x00" + address + b"\x01\xbb", b"220 hello")


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [(b"\x05\x05\x00\x01", UpstreamFailed, "connection refused"),
     (b"\x05\x63\x00\x01", UpstreamFailed, "code 99"),
     (b"\x04\x00\x00\x01", UpstreamDown, "SOCKS5"),
     (b"\x05\x00\x00\x01abcd", UpstreamDown, "hung up")],
)  # fmt: skip
async def test_a_target_that_fails_is_not_a_proxy_that_does(
    reply: bytes, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        await talk(lambda sock: socks_connect(sock, "8.8.8.8", 443), reply)


# --- HTTP ----------------------------------------------------------------------------------


async def test_a_tunnel_is_asked_for_with_the_login_and_early_bytes_are_returned() -> None:
    reply = b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n220 hello\r\n\r\nmore"
    early, sent, left = await talk(tunnel(user="us", password="p:"), reply)
    assert (early, left) == (b"220 hello\r\n\r\nmore", b"")
    assert sent == (
        b"CONNECT 8.8.8.8:443 HTTP/1.1\r\nHost: 8.8.8.8:443\r\n"
        b"Proxy-Authorization: Basic dXM6cDo=\r\n\r\n"
    )


async def test_an_ipv6_target_stands_in_brackets_and_no_login_has_no_header() -> None:
    _, sent, _ = await talk(tunnel("2001:db8::1"), b"HTTP/1.0 204 Fine\r\n\r\n")
    assert sent == b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n"


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [(b"HTTP/1.1 407 No\r\n\r\n", UpstreamDown, "not take our user"),
     (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", UpstreamFailed, "502 Bad Gateway"),
     (b"HTTP/2 200\r\n\r\n", UpstreamDown, "no HTTP"),
     (b"220 smtp\r\n\r\n", UpstreamDown, "no HTTP"),
     (b"HTTP/1.1 200 OK\r\n", UpstreamDown, "no proper reply"), (b"", UpstreamDown, "no proper"),
     (b"x" * 40_000, UpstreamDown, "no proper reply")],
)  # fmt: skip
async def test_a_tunnel_that_fails_says_why(
    reply: bytes, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        await talk(tunnel(), reply)
