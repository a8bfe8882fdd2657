"""Accepts connections by TLS and gives each to the protocol that it asks for (ALPN)."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

HANDSHAKE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end. ``certificate`` is in DER; None for one that has none. A certificate has been
    checked: it is valid now and of the installation's authority.
    """

    address: str
    certificate: bytes | None


# makes the protocol of one connection; None refuses the peer
Accept = Callable[[Peer], asyncio.Protocol | None]


class TlsListener:
    """``accept`` has a function for each protocol."""

    def __init__(
        self, listener: socket.socket, context: ssl.SSLContext, accept: Mapping[str, Accept]
    ) -> None:
        self._listener = listener
        self._context = context
        self._accept = accept
        self._server: asyncio.Server | None = None
        self._transports: set[asyncio.Transport] = set()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Splitter(self._accept),
            sock=self._listener,
            ssl=self._context,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
        )

    def close(self) -> None:
        """Accept nothing more. Connections end with their protocols."""
        if self._server is not None:
            self._server.close()


class _Splitter(asyncio.Protocol):
    """The first protocol of each connection."""

    def __init__(self, accept: Mapping[str, Accept]) -> None:
        self._accept = accept

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        connection = cast(asyncio.Transport, transport)
        tls = connection.get_extra_info("ssl_object")
        accept = self._accept.get(tls.selected_alpn_protocol() or "")
        name: Any = connection.get_extra_info("peername")
        peer = Peer(name[0] if isinstance(name, tuple) else "", tls.getpeercert(binary_form=True))
        protocol = accept(peer) if accept is not None else None
        if protocol is None:
            connection.abort()
            return
        connection.set_protocol(protocol)
        protocol.connection_made(connection)
