"""Accepts connections by TLS and gives each to the protocol that it asks for (ALPN).

Anyone who can reach the port can begin a handshake, so their number is limited: a new one ends the
oldest, preferably one from its own address. A client that answers promptly is done long before.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, cast

import structlog

from fyke.kit.addresses import unwrap

HANDSHAKE_SECONDS = 5.0  # also for the end of a connection
MAX_HANDSHAKES = 64
MAX_OF_ADDRESS = 16  # of them
PAUSE_SECONDS = 1.0  # when no connection can be accepted, as without free file descriptors

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end. ``certificate`` is in DER; None for one that has none. A certificate has been
    checked: it is valid now and of the installation's authority.
    """

    address: str
    certificate: bytes | None


# makes the protocol of one connection; None refuses the peer
Accept = Callable[[Peer], asyncio.Protocol | None]


def network_of(address: str) -> str:
    """What is counted by limits per address: an IPv4 address, or the first 64 bits of an IPv6
    address, since one machine may have all addresses of such a network.
    """
    try:
        ip = unwrap(ip_address(address))
    except ValueError:
        return address
    return str(ip) if ip.version == 4 else ip.packed[:8].hex()


class TlsListener:
    """``accept`` has a function for each protocol."""

    def __init__(
        self, listener: socket.socket, context: ssl.SSLContext, accept: Mapping[str, Accept]
    ) -> None:
        self._listener = listener
        self._context = context
        self._accept = accept
        self._accepting: asyncio.Task[None] | None = None
        self._handshakes: dict[asyncio.Task[None], str] = {}  # networks; the oldest is first

    def start(self) -> None:
        """Accept connections, until it is closed."""
        self._accepting = asyncio.create_task(self._accept_all())

    def close(self) -> None:
        """Accept nothing more, and end handshakes. Connections end with their protocols."""
        for task in (self._accepting, *self._handshakes):
            if task is not None:
                task.cancel()

    async def _accept_all(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    connection, name = await loop.sock_accept(self._listener)
                except ConnectionError:  # it has ended already
                    continue
                except OSError as error:
                    log.warning("no_connection_accepted", error=str(error))
                    await asyncio.sleep(PAUSE_SECONDS)
                    continue
                self._begin(connection, network_of(name[0]) if isinstance(name, tuple) else "")
                await asyncio.sleep(0)  # the handshake begins before it may be ended
        finally:
            self._listener.close()

    def _begin(self, connection: socket.socket, network: str) -> None:
        same = [task for task, other in self._handshakes.items() if other == network]
        oldest = None
        if len(same) >= MAX_OF_ADDRESS:
            oldest = same[0]
        elif len(self._handshakes) >= MAX_HANDSHAKES:
            oldest = next(iter(self._handshakes))
        if oldest is not None:
            del self._handshakes[oldest]
            oldest.cancel()
        task = asyncio.create_task(self._shake_hands(connection))
        self._handshakes[task] = network
        task.add_done_callback(lambda done: self._handshakes.pop(done, None))

    async def _shake_hands(self, connection: socket.socket) -> None:
        with suppress(OSError):  # such as a certificate that is refused
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: _Splitter(self._accept),
                connection,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=HANDSHAKE_SECONDS,
            )


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
