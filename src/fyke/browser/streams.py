"""One end of a connection: reading and writing with bounded buffers.

Unlike asyncio's streams it reports that the peer has gone while nothing reads, and can be aborted.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable
from typing import cast

READ_BYTES = 64 * 1024  # more than this unread pauses the reading
WRITE_BYTES = 64 * 1024  # more than this unsent pauses ``drain``


class StreamEnded(Exception):
    """The peer has ended the connection before what was expected had arrived."""


class TooLong(Exception):
    """What was expected has not arrived within the allowed number of bytes."""


class ByteStream(asyncio.Protocol):
    """A connection. One task may read and one may write at a time; others may only ``write``."""

    def __init__(self, on_connected: Callable[[ByteStream], None] | None = None) -> None:
        self._on_connected = on_connected
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._ended = False  # no more bytes will arrive
        self._lost = False
        self._paused = False  # we do not read
        self._full = False  # we should not write
        self._arrived: asyncio.Future[None] | None = None
        self._drained: list[asyncio.Future[None]] = []
        self.gone: asyncio.Future[None] = self._loop.create_future()
        """Done when the peer has ended its direction, or the connection is lost."""
        self.lost: asyncio.Future[None] = self._loop.create_future()
        """Done when the connection is lost, or closed on both sides."""

    # from the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_BYTES)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._on_connected is not None:
            self._on_connected(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > READ_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake_reader()

    def eof_received(self) -> bool:
        self._end()
        return True  # the other direction stays open

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if not self.lost.done():
            self.lost.set_result(None)
        self._end()
        self.resume_writing()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        waiting, self._drained = self._drained, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    # for the owner

    @property
    def is_lost(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._lost or self._transport is None or self._transport.is_closing()

    @property
    def is_full(self) -> bool:
        """Whether more than ``WRITE_BYTES`` were unsent, and are not sent yet."""
        return self._full

    async def first_byte(self) -> bytes:
        """The next byte, which stays unread; ``b""`` at the end."""
        while not self._buffer and not self._ended:
            await self._more()
        return bytes(self._buffer[:1])

    async def read(self, limit: int = sys.maxsize) -> bytes:
        """Return what has arrived, at least one byte and at most ``limit``; ``b""`` at the end."""
        while not self._buffer and not self._ended:
            await self._more()
        return self._take(limit)

    async def read_exactly(self, count: int) -> bytes:
        """Return ``count`` bytes. Raise ``StreamEnded``. The caller limits ``count``."""
        while len(self._buffer) < count:
            await self._expect()
        return self._take(count)

    async def read_until(self, mark: bytes, limit: int) -> bytes:
        """Return everything up to and including ``mark``. Raise ``StreamEnded`` or ``TooLong``."""
        searched = 0
        while (found := self._buffer.find(mark, searched, limit)) < 0:
            if len(self._buffer) >= limit:
                raise TooLong
            searched = max(0, len(self._buffer) - len(mark) + 1)
            await self._expect()
        return self._take(found + len(mark))

    def write(self, data: bytes | memoryview) -> None:
        """Send or queue bytes. A lost connection is ignored."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until most of the written bytes are sent, or the connection is lost."""
        if self._full and not self._lost:
            future: asyncio.Future[None] = self._loop.create_future()
            self._drained.append(future)
            await future

    async def finish(self, seconds: float) -> None:
        """Send what is queued and the end of the stream; wait ``seconds`` for the peer to end too,
        and then end the connection.
        """
        transport = self._transport
        if transport is None or self.is_lost:
            return
        try:
            if transport.can_write_eof():
                with contextlib.suppress(OSError):  # the peer has reset the connection
                    transport.write_eof()
            deadline = self._loop.time() + seconds
            while not self.gone.done() and (left := deadline - self._loop.time()) > 0:
                arrived = self._arrived = self._loop.create_future()
                self._buffer.clear()  # it is not read any more
                self._resume()
                await asyncio.wait({self.gone, arrived}, timeout=left)
                self._arrived = None
            if not self._lost and not self._full:
                transport.close()
                await asyncio.wait({self.lost}, timeout=max(0.0, deadline - self._loop.time()))
        finally:
            transport.abort()

    def abort(self) -> None:
        """End at once."""
        if self._transport is not None:
            self._transport.abort()

    # within

    def _take(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        self._resume()
        return data

    async def _expect(self) -> None:
        if self._ended:
            raise StreamEnded
        self._resume(force=True)
        await self._more()

    async def _more(self) -> None:
        self._arrived = self._loop.create_future()
        try:
            await self._arrived
        finally:
            self._arrived = None

    def _resume(self, *, force: bool = False) -> None:
        if self._paused and (force or len(self._buffer) <= READ_BYTES) and not self.is_lost:
            self._paused = False
            if self._transport is not None:
                self._transport.resume_reading()

    def _end(self) -> None:
        self._ended = True
        if not self.gone.done():
            self.gone.set_result(None)
        self._wake_reader()

    def _wake_reader(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)
