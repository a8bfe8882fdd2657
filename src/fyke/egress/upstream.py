"""The proxies of the regions: SOCKS5 through python-socks, HTTP CONNECT by hand.

``upstreams`` maps a region (two letters, or ``*`` for every other) to a URL:
``socks5://``, ``socks5h://`` (the proxy resolves names) or ``http://``, with user and password
where needed. A region without one goes out directly.

HTTP CONNECT is spoken here because the library reads its reply in one gulp: a target that speaks
first would lose its first words.
"""

from __future__ import annotations

import asyncio
import base64
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from python_socks import ProxyError, ProxyTimeoutError, ProxyType
from python_socks.async_.asyncio import Proxy as SocksClient

_REGION = re.compile(r"[A-Za-z]{2}|\*")
_SCHEMES = ("socks5", "socks5h", "http")
_MAX_REPLY = 16 * 1024


class UpstreamFailed(Exception):
    """The region's proxy did not lead to the target; the message is for the client."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """One region's proxy."""

    scheme: str
    host: str
    port: int
    username: str
    password: str

    @classmethod
    def parse(cls, url: str) -> Upstream:
        """Raise ``ValueError`` that says what is wrong, without repeating the password."""
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES:
            raise ValueError("an upstream must be a socks5://, socks5h:// or http:// URL")
        if not parts.hostname or parts.port is None:
            raise ValueError("an upstream URL needs a host and a port")
        return cls(
            parts.scheme,
            parts.hostname,
            parts.port,
            unquote(parts.username or ""),
            unquote(parts.password or ""),
        )

    @property
    def resolves(self) -> bool:
        """Whether names go to the proxy unresolved."""
        return self.scheme == "socks5h"

    async def connect(self, host: str, port: int, timeout: float) -> tuple[socket.socket, bytes]:
        """Return a connected socket and what the target has said already.

        Raise ``UpstreamFailed`` or ``TimeoutError``.
        """
        async with asyncio.timeout(timeout):
            try:
                if self.scheme == "http":
                    return await self._http(host, port)
                return await self._socks(host, port), b""
            except (ProxyError, ProxyTimeoutError, OSError) as error:
                if isinstance(error, TimeoutError):
                    raise
                raise UpstreamFailed(f"the proxy of this region failed: {error}"[:200]) from error

    async def _socks(self, host: str, port: int) -> socket.socket:
        client = SocksClient(
            ProxyType.SOCKS5,
            self.host,
            self.port,
            username=self.username or None,
            password=self.password or None,
            rdns=True,  # what arrives here is checked already, or meant to be resolved there
        )
        return await client.connect(host, port, timeout=3600)  # the outer timeout decides

    async def _http(self, host: str, port: int) -> tuple[socket.socket, bytes]:
        loop = asyncio.get_running_loop()
        _, _, _, _, address = (
            await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        )[0]
        family = socket.AF_INET6 if ":" in str(address[0]) else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            sock.setblocking(False)
            await loop.sock_connect(sock, address)
            await loop.sock_sendall(sock, self._connect_request(host, port))
            return sock, await _read_reply(loop, sock)
        except BaseException:
            sock.close()
            raise

    def _connect_request(self, host: str, port: int) -> bytes:
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if self.username or self.password:
            token = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            lines.append(f"Proxy-Authorization: Basic {token}")
        return "\r\n".join([*lines, "", ""]).encode()


async def _read_reply(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> bytes:
    """Read the proxy's reply; return what came behind it."""
    reply = b""
    while b"\r\n\r\n" not in reply:
        part = await loop.sock_recv(sock, 4096)
        if not part or len(reply) > _MAX_REPLY:
            raise UpstreamFailed("the proxy of this region gave no proper reply")
        reply += part
    head, _, early = reply.partition(b"\r\n\r\n")
    status = head.split(b"\r\n", 1)[0].decode("latin-1")
    if not re.match(r"HTTP/1\.[01] 2\d\d", status):
        raise UpstreamFailed(f"the proxy of this region said {status[:80]!r}")
    return early


class Upstreams:
    """Region to proxy. Raise ``ValueError`` naming the region for a malformed entry."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._by_region: dict[str, Upstream] = {}
        for region, url in urls.items():
            if not _REGION.fullmatch(region):
                raise ValueError(
                    f"FYKE_EGRESS_UPSTREAMS: region {region!r} must be two letters or '*'"
                )
            try:
                self._by_region[region.upper()] = Upstream.parse(url)
            except ValueError as error:
                raise ValueError(f"FYKE_EGRESS_UPSTREAMS: region {region}: {error}") from error

    def of_region(self, region: str) -> Upstream | None:
        """The proxy to use, None to go out directly."""
        return self._by_region.get(region.upper()) or self._by_region.get("*")
