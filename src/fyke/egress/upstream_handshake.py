"""The handshake with a region's proxy: SOCKS5 and HTTP CONNECT, over a connected socket.

Every reply is read to its last byte and no further: the first bytes of a target, which may arrive
in the same packet, belong to the attempt and are counted.
"""

from __future__ import annotations

import asyncio
import base64
import re
import socket
from ipaddress import IPv4Address, ip_address

from fyke.kit.hostports import join_host_port

_MAX_HEAD = 16 * 1024
_NO_LOGIN, _PASSWORD = 0, 2
_IPV4, _NAME, _IPV6 = 1, 3, 4
_SOCKS_ERRORS = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "timed out",
    7: "command not supported",
    8: "address type not supported",
}
_HTTP_OK = re.compile(r"HTTP/1\.[01] 2\d\d")
_HTTP_LOGIN = re.compile(r"HTTP/1\.[01] 407")
_HTTP_ANY = re.compile(r"HTTP/1\.[01] \d\d\d")


class UpstreamDown(Exception):
    """The proxy itself fails: it is unreachable, has another protocol, or rejects the login."""


class UpstreamFailed(Exception):
    """The proxy works but did not reach the target; the message is for the client."""


async def socks_greet(sock: socket.socket, user: str, password: str) -> None:
    """Greet and sign in. Raise ``UpstreamDown``."""
    methods = bytes((_NO_LOGIN, _PASSWORD)) if user or password else bytes((_NO_LOGIN,))
    await _send(sock, bytes((5, len(methods))) + methods)
    version, method = await _receive(sock, 2)
    if version != 5:
        raise UpstreamDown("it does not speak SOCKS5")
    if method == _PASSWORD and _PASSWORD in methods:
        name, secret = user.encode()[:255], password.encode()[:255]
        await _send(sock, bytes((1, len(name))) + name + bytes((len(secret),)) + secret)
        if (await _receive(sock, 2))[1] != 0:
            raise UpstreamDown("it rejected the user and password")
    elif method != _NO_LOGIN and _PASSWORD in methods:
        raise UpstreamDown("it requires a login other than user and password")
    elif method != _NO_LOGIN:
        raise UpstreamDown("it requires a user and password, which its URL does not have")


async def socks_connect(sock: socket.socket, host: str, port: int) -> None:
    """Request the target. Raise ``UpstreamFailed``, or ``UpstreamDown`` at an early end."""
    await _send(sock, b"\x05\x01\x00" + _socks_address(host) + port.to_bytes(2, "big"))
    version, code, _, kind = await _receive(sock, 4)
    if version != 5:
        raise UpstreamDown("it does not speak SOCKS5")
    if code:
        raise UpstreamFailed(_SOCKS_ERRORS.get(code, f"code {code}"))
    size = {_IPV4: 4, _IPV6: 16}.get(kind) or (await _receive(sock, 1))[0]
    await _receive(sock, size + 2)


async def http_connect(
    sock: socket.socket, host: str, port: int, user: str, password: str
) -> bytes:
    """Request a tunnel; return the first bytes of the target, if any arrived.

    Raise ``UpstreamFailed`` or ``UpstreamDown``.
    """
    target = join_host_port(host, port)
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if user or password:
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {token}")
    await _send(sock, "\r\n".join([*lines, "", ""]).encode())
    head, early = await _head(sock)
    status = head.split(b"\r\n", 1)[0].decode("latin-1")
    if _HTTP_OK.match(status):
        return early
    if _HTTP_LOGIN.match(status):
        raise UpstreamDown("it rejected the user and password")
    if _HTTP_ANY.match(status):
        raise UpstreamFailed(f"it answered {status[:80]!r}")
    raise UpstreamDown("it does not speak HTTP")


def _socks_address(host: str) -> bytes:
    try:
        address = ip_address(host)
    except ValueError:
        name = host.encode()
        return bytes((_NAME, len(name))) + name
    kind = _IPV4 if isinstance(address, IPv4Address) else _IPV6
    return bytes((kind,)) + address.packed


async def _head(sock: socket.socket) -> tuple[bytes, bytes]:
    reply = b""
    while b"\r\n\r\n" not in reply:
        part = await asyncio.get_running_loop().sock_recv(sock, 4096)
        if not part or len(reply) > _MAX_HEAD:
            raise UpstreamDown("its reply is not a complete HTTP response")
        reply += part
    head, _, early = reply.partition(b"\r\n\r\n")
    return head, early


async def _send(sock: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(sock, data)


async def _receive(sock: socket.socket, count: int) -> bytes:
    """Read exactly ``count`` bytes. Raise ``UpstreamDown`` at an earlier end."""
    received = b""
    while len(received) < count:
        part = await asyncio.get_running_loop().sock_recv(sock, count - len(received))
        if not part:
            raise UpstreamDown("it closed the connection")
        received += part
    return received
