"""The asyncio protocols of the two ends of a connection; they only report to the connection.

Memory: all reads go through one shared buffer (a read is forwarded in the same step of the loop),
and a side with unsent bytes pauses the reading of the other, so that a connection never buffers
more than one read each way: 64 KiB, or 256 KiB while few connections are open, which takes a
seventh less CPU.
"""

from __future__ import annotations

import asyncio
import socket
from typing import ClassVar, Protocol, cast

BUFFER_SIZE, LARGE_BUFFER_SIZE = 64 * 1024, 256 * 1024
FEW_CONNECTIONS = 32  # of all attempts together
_shared_buffer = memoryview(bytearray(LARGE_BUFFER_SIZE))
_small_buffer = _shared_buffer[:BUFFER_SIZE]


class ConnectionEvents(Protocol):
    """The connection that both ends report to; ``proxied_connection`` implements it."""

    open_connections: ClassVar[int]
    client: asyncio.Transport | None
    target: asyncio.Transport | None

    def accepted(self, transport: asyncio.Transport) -> None: ...
    def established(self, transport: asyncio.Transport) -> None: ...
    def from_client(self, data: memoryview) -> None: ...
    def from_target(self, data: memoryview) -> None: ...
    def half_closed(self, other: asyncio.Transport | None) -> bool: ...
    def lost(self, *, of_client: bool) -> None: ...


class ProtocolSide(asyncio.BufferedProtocol):
    """One end of a connection: forwards the events of the loop to the connection."""

    def __init__(self, connection: ConnectionEvents) -> None:
        self._connection = connection

    def get_buffer(self, sizehint: int) -> memoryview:
        return (
            _shared_buffer
            if type(self._connection).open_connections <= FEW_CONNECTIONS
            else _small_buffer
        )

    def other(self) -> asyncio.Transport | None:
        raise NotImplementedError

    def eof_received(self) -> bool:
        return self._connection.half_closed(self.other())

    def pause_writing(self) -> None:
        other = self.other()
        if other is not None and not other.is_closing():
            other.pause_reading()

    def resume_writing(self) -> None:
        other = self.other()
        if other is not None and not other.is_closing():
            other.resume_reading()


class ClientProtocol(ProtocolSide):
    """The attempt's end of a connection."""

    def other(self) -> asyncio.Transport | None:
        return self._connection.target

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection.accepted(cast(asyncio.Transport, transport))

    def buffer_updated(self, nbytes: int) -> None:
        self._connection.from_client(_shared_buffer[:nbytes])

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.lost(of_client=True)


class UpstreamProtocol(ProtocolSide):
    """The site's end of a connection. ``early`` are the bytes that arrived before this protocol was
    attached.
    """

    def __init__(self, connection: ConnectionEvents, early: bytes) -> None:
        super().__init__(connection)
        self._early = early

    def other(self) -> asyncio.Transport | None:
        return self._connection.client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection.established(cast(asyncio.Transport, transport))
        if self._early:
            self._connection.from_target(memoryview(self._early))

    def buffer_updated(self, nbytes: int) -> None:
        self._connection.from_target(_shared_buffer[:nbytes])

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.lost(of_client=False)


def prepare(transport: asyncio.Transport) -> None:
    """Send bytes at once: no write buffer and no Nagle delay."""
    transport.set_write_buffer_limits(high=0)
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def send_eof(transport: asyncio.Transport) -> bool:
    """Send the end of the stream; return False, and end the transport, when the peer has reset the
    connection, which asyncio raises here if it has not read that yet.
    """
    try:
        transport.write_eof()
    except OSError:
        transport.abort()
        return False
    return True
