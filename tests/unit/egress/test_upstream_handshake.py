"""The handshake with a region's proxy over a socket pair: the exact bytes written and read."""

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


async def exchange(call: Call, reply: bytes) -> tuple[Any, bytes, bytes]:
    """Return the result, the bytes sent to the proxy, and the unread bytes of its reply."""
    ours, proxy = socket.socketpair()
    with ours, proxy:
        ours.setblocking(False)
        proxy.sendall(reply)
        proxy.shutdown(socket.SHUT_WR)
        result = await call(ours)
        unread = ours.recv(1000)
        ours.shutdown(socket.SHUT_WR)
        return result, proxy.recv(100_000), unread


def greet(user: str = "", password: str = "") -> Call:
    return lambda sock: socks_greet(sock, user, password)


def tunnel(host: str = "8.8.8.8", user: str = "", password: str = "") -> Call:
    return lambda sock: http_connect(sock, host, 443, user, password)


# --- SOCKS5 --------------------------------------------------------------------------------


async def test_without_a_login_only_the_method_without_one_is_offered() -> None:
    assert (await exchange(greet(), b"\x05\x00"))[1] == b"\x05\x01\x00"


async def test_a_login_is_sent_only_to_a_proxy_that_asks_for_one() -> None:
    offer = b"\x05\x02\x00\x02"
    _, sent, unread = await exchange(greet("us", "p"), b"\x05\x02\x01\x00EARLY")
    assert (sent, unread) == (offer + b"\x01\x02us\x01p", b"EARLY")
    assert (await exchange(greet("us", "p"), b"\x05\x00"))[1] == offer


@pytest.mark.parametrize(
    ("user", "reply", "message"),
    [("", b"\x05\x02", "requires a user and password"),
     ("", b"\x05\xff", "requires a user and password"),
     ("us", b"\x05\xff", "a login other than"), ("us", b"\x05\x01", "a login other than"),
     ("us", b"\x05\x02\x01\x01", "rejected the user"), ("us", b"HTTP/1.1 400", "not speak SOCKS5"),
     ("", b"", "closed"), ("", b"\x05", "closed"), ("us", b"\x05\x02\x01", "closed")],
)  # fmt: skip
async def test_a_failed_greeting_names_the_cause(user: str, reply: bytes, message: str) -> None:
    with pytest.raises(UpstreamDown, match=message):
        await exchange(greet(user, "p" if user else ""), reply)


@pytest.mark.parametrize(
    ("host", "address"),
    [("8.8.8.8", b"\x01\x08\x08\x08\x08"), ("a.example", b"\x03\x09a.example"),
     ("2001:db8::1", b"\x04\x20\x01\x0d\xb8" + bytes(11) + b"\x01")],
)  # fmt: skip
@pytest.mark.parametrize("bound", [b"\x01" + bytes(4), b"\x04" + bytes(16), b"\x03\x05proxy"])
async def test_a_target_is_requested_and_its_first_bytes_are_not_read(
    host: str, address: bytes, bound: bytes
) -> None:
    reply = b"\x05\x00\x00" + bound + b"\x00\x50"
    _, sent, unread = await exchange(
        lambda sock: socks_connect(sock, host, 443), reply + b"220 hello"
    )
    assert (sent, unread) == (b"\x05\x01\x00" + address + b"\x01\xbb", b"220 hello")


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [(b"\x05\x05\x00\x01", UpstreamFailed, "connection refused"),
     (b"\x05\x63\x00\x01", UpstreamFailed, "code 99"),
     (b"\x04\x00\x00\x01", UpstreamDown, "SOCKS5"),
     (b"\x05\x00\x00\x01abcd", UpstreamDown, "closed the connection")],
)  # fmt: skip
async def test_failures_of_the_target_and_of_the_proxy_differ(
    reply: bytes, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        await exchange(lambda sock: socks_connect(sock, "8.8.8.8", 443), reply)


# --- HTTP ----------------------------------------------------------------------------------


async def test_a_tunnel_is_requested_with_the_login_and_early_bytes_are_returned() -> None:
    reply = b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n220 hello\r\n\r\nmore"
    early, sent, unread = await exchange(tunnel(user="us", password="p:"), reply)
    assert (early, unread) == (b"220 hello\r\n\r\nmore", b"")
    assert sent == (
        b"CONNECT 8.8.8.8:443 HTTP/1.1\r\nHost: 8.8.8.8:443\r\n"
        b"Proxy-Authorization: Basic dXM6cDo=\r\n\r\n"
    )


async def test_an_ipv6_target_is_in_brackets_and_without_a_login_there_is_no_header() -> None:
    _, sent, _ = await exchange(tunnel("2001:db8::1"), b"HTTP/1.0 204 Fine\r\n\r\n")
    assert sent == b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n"


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [(b"HTTP/1.1 407 No\r\n\r\n", UpstreamDown, "rejected the user"),
     (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", UpstreamFailed, "502 Bad Gateway"),
     (b"HTTP/2 200\r\n\r\n", UpstreamDown, "not speak HTTP"),
     (b"220 smtp\r\n\r\n", UpstreamDown, "not speak HTTP"),
     (b"HTTP/1.1 200 OK\r\n", UpstreamDown, "not a complete"),
     (b"", UpstreamDown, "not a complete"),
     (b"x" * 40_000, UpstreamDown, "not a complete")],
)  # fmt: skip
async def test_a_failed_tunnel_names_the_cause(
    reply: bytes, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        await exchange(tunnel(), reply)
