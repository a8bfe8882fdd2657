"""The two ends of a link, as the event loop sees them: they report to the link, and no more.

Memory: all reads go through one shared buffer (a read and its hand-over happen in one step of the
loop), and a side that has anything unsent stops the reading of the other, so that a link never
holds more than one read each way: 64 KiB, or 256 KiB while few links are open, which costs a
seventh less of the CPU.
"""

from __future__ import annotations

import asyncio
import socket
from typing import ClassVar, Protocol, cast

BUFFER_SIZE, LARGE_BUFFER_SIZE = 64 * 1024, 256 * 1024
FEW_LINKS = 32  # of all attempts together
_shared_buffer = memoryview(bytearray(LARGE_BUFFER_SIZE))
_small_buffer = _shared_buffer[:BUFFER_SIZE]


class ConnectionEvents(Protocol):
    """What both ends report to; ``proxied_connection`` implements it."""

    open_links: ClassVar[int]
    client: asyncio.Transport | None
    target: asyncio.Transport | None

    def accepted(self, transport: asyncio.Transport) -> None: ...
    def established(self, transport: asyncio.Transport) -> None: ...
    def from_client(self, data: memoryview) -> None: ...
    def from_target(self, data: memoryview) -> None: ...
    def half_closed(self, other: asyncio.Transport | None) -> bool: ...
    def lost(self, *, of_client: bool) -> None: ...


class ProtocolSide(asyncio.BufferedProtocol):
    """One end of a link: passes what the loop reports on to the link."""

    def __init__(self, link: ConnectionEvents) -> None:
        self._link = link

    def get_buffer(self, sizehint: int) -> memoryview:
        return _shared_buffer if type(self._link).open_links <= FEW_LINKS else _small_buffer

    def other(self) -> asyncio.Transport | None:
        raise NotImplementedError

    def eof_received(self) -> bool:
        return self._link.half_closed(self.other())

    def pause_writing(self) -> None:
        other = self.other()
        if other is not None and not other.is_closing():
            other.pause_reading()

    def resume_writing(self) -> None:
        other = self.other()
        if other is not None and not other.is_closing():
            other.resume_reading()


class ClientProtocol(ProtocolSide):
    """The attempt's end of a link."""

    def other(self) -> asyncio.Transport | None:
        return self._link.target

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._link.accepted(cast(asyncio.Transport, transport))

    def buffer_updated(self, nbytes: int) -> None:
        self._link.from_client(_shared_buffer[:nbytes])

    def connection_lost(self, exc: Exception | None) -> None:
        self._link.lost(of_client=True)


class UpstreamProtocol(ProtocolSide):
    """The site's end of a link. Nothing of what it says is parsed; ``early`` is what it said
    before the link was there.
    """

    def __init__(self, link: ConnectionEvents, early: bytes) -> None:
        super().__init__(link)
        self._early = early

    def other(self) -> asyncio.Transport | None:
        return self._link.client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._link.established(cast(asyncio.Transport, transport))
        if self._early:
            self._link.from_target(memoryview(self._early))

    def buffer_updated(self, nbytes: int) -> None:
        self._link.from_target(_shared_buffer[:nbytes])

    def connection_lost(self, exc: Exception | None) -> None:
        self._link.lost(of_client=False)


def prepare(transport: asyncio.Transport) -> None:
    """Hold back nothing: neither in our buffers nor in the kernel's."""
    transport.set_write_buffer_limits(high=0)
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
