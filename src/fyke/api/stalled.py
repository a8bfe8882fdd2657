"""Disconnects a client that has stopped reading its answer.

A slow client costs little memory. A client that reads nothing for ``idle_seconds`` is gone or
hostile. The bytes that it acknowledges count, not those that leave our buffer: the kernel's buffers
contain more than a slow client reads in a minute.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import struct
import termios

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

IDLE_SECONDS = 60.0


class StallProtocol(HttpToolsProtocol):
    """See the module's docstring."""

    idle_seconds = IDLE_SECONDS

    _backlog = 0
    _idle_timer: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        self._stop_watching()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        super().connection_lost(exc)

    def _watch(self) -> None:
        self._backlog = self._unacknowledged()
        self._idle_timer = self.loop.call_later(self.idle_seconds, self._check_progress)

    def _check_progress(self) -> None:
        if self._unacknowledged() < self._backlog:
            self._watch()
        else:
            self._reset()

    def _reset(self) -> None:
        """Close the connection at once, discarding all buffers, even the kernel's."""
        with socket.socket(fileno=os.dup(self._descriptor())) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _stop_watching(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    def _unacknowledged(self) -> int:
        """Bytes that the client has not acknowledged, in our buffer and the kernel's."""
        answer = fcntl.ioctl(self._descriptor(), termios.TIOCOUTQ, bytes(4))
        in_kernel: int = struct.unpack("i", answer)[0]
        return in_kernel + self.transport.get_write_buffer_size()

    def _descriptor(self) -> int:
        descriptor: int = self.transport.get_extra_info("socket").fileno()
        return descriptor
