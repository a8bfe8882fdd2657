"""One proxy of a region, defined by a URL.

``socks5://``, ``socks5h://`` (the proxy resolves names) or ``http://``, with user and password
where needed. ``{session}`` in the user is replaced with a value that is the same for one run, so
that providers assign one address to it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from fyke.egress.upstream_handshake import (
    UpstreamDown,
    UpstreamFailed,
    http_connect,
    socks_connect,
    socks_greet,
)
from fyke.kit.hostports import join_host_port
from fyke.kit.resolver import Resolver, Unresolvable

__all__ = ["Upstream", "UpstreamDown", "UpstreamFailed"]

SESSION = "{session}"
GREET_SECONDS = 4.0  # to connect to the proxy and sign in
_SCHEMES = ("socks5", "socks5h", "http")
_ADDRESSES = 2  # of the proxy that are tried


@dataclass(frozen=True, slots=True)
class Upstream:
    """The address of a proxy, and how to sign in."""

    scheme: str
    host: str
    port: int
    username: str
    password: str

    @classmethod
    def parse(cls, url: str) -> Upstream:
        """Raise ``ValueError`` with the problem, without the password."""
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
    def name(self) -> str:
        """The URL without user and password, for logs and health."""
        return f"{self.scheme}://{join_host_port(self.host, self.port)}"

    @property
    def resolves(self) -> bool:
        """Whether names go to the proxy unresolved."""
        return self.scheme == "socks5h"

    async def connect(
        self, host: str, port: int, session: str, resolver: Resolver
    ) -> tuple[socket.socket, bytes]:
        """Return a connected socket and the first bytes of the target, if any arrived.

        The caller limits the time. Raise ``UpstreamDown`` or ``UpstreamFailed``.
        """
        user = self.username.replace(SESSION, session)
        sock = await self._sign_in(user, resolver)
        with _closed_on_error(sock):
            if self.scheme == "http":
                return sock, await http_connect(sock, host, port, user, self.password)
            await socks_connect(sock, host, port)
            return sock, b""

    async def check(self, resolver: Resolver) -> None:
        """Connect and sign in. Raise ``UpstreamDown``."""
        (await self._sign_in(self.username.replace(SESSION, "check"), resolver)).close()

    async def _sign_in(self, user: str, resolver: Resolver) -> socket.socket:
        try:
            async with asyncio.timeout(GREET_SECONDS):
                sock = await self._open_socket(resolver)
                with _closed_on_error(sock):
                    if self.scheme != "http":
                        await socks_greet(sock, user, self.password)
                return sock
        except TimeoutError as error:
            raise UpstreamDown("it does not answer in time") from error

    async def _open_socket(self, resolver: Resolver) -> socket.socket:
        for address in await self._addresses(resolver):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            try:
                sock.setblocking(False)
                await asyncio.get_running_loop().sock_connect(sock, (address, self.port))
            except OSError as error:
                sock.close()
                caught = error
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        raise UpstreamDown(_system_message(caught)) from caught

    async def _addresses(self, resolver: Resolver) -> tuple[str, ...]:
        try:
            return (str(ip_address(self.host)),)
        except ValueError:
            pass  # it is a name
        try:
            return (await resolver.resolve(self.host))[:_ADDRESSES]
        except Unresolvable as error:
            raise UpstreamDown("its name has no address") from error


def _system_message(error: OSError) -> str:
    """The system's message. A library's may contain the address, which Workers must not see."""
    return os.strerror(error.errno) if error.errno else "it cannot be reached"


@contextmanager
def _closed_on_error(sock: socket.socket) -> Iterator[None]:
    """Close the socket on any error; raise network errors as ``UpstreamDown``."""
    try:
        yield
    except OSError as error:
        sock.close()
        if isinstance(error, TimeoutError):
            raise
        raise UpstreamDown(_system_message(error)) from error
    except BaseException:
        sock.close()
        raise
