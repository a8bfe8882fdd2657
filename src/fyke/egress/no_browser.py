"""The answer on the browser port while Fyke has no browser.

Without an answer a Worker would wait for its own timeout; a 503 with the reason fails at once.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

from fyke.contracts.egress import NO_BROWSER

_MAX_HEAD = 16 * 1024
_MAX_CONNECTIONS = 32
_SECONDS = 5.0


class NoBrowser:
    """Answers ``text`` on one listener; ``on_connection`` is called once, at the first
    connection.
    """

    def __init__(
        self, listener: socket.socket, on_connection: Callable[[], None], text: str = NO_BROWSER
    ) -> None:
        self._listener = listener
        self._answer = (
            f"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n"
            f"Content-Length: {len(text) + 1}\r\nConnection: close\r\n\r\n{text}\n"
        ).encode()
        self._on_connection: Callable[[], None] | None = on_connection
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Serve and own the listener."""
        self._listener.setblocking(False)
        self._server = await asyncio.start_server(
            self._accept, sock=self._listener, limit=_MAX_HEAD
        )

    def stop(self, *, final: bool) -> None:
        """End at once. ``final`` also shuts the listening socket down in every process."""
        if final:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._on_connection is not None:
            report, self._on_connection = self._on_connection, None
            report()
        if len(self._tasks) >= _MAX_CONNECTIONS:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(_answer(reader, writer, self._answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes
) -> None:
    """Read the request first: closing with unread bytes would reset the connection."""
    try:
        async with asyncio.timeout(_SECONDS):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass  # not a complete request: no answer
    finally:
        writer.close()
