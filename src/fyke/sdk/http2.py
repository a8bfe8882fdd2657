"""Unary gRPC over cleartext HTTP/2 on a listening socket that somebody else made.

The socket comes out of an attempt's network namespace and is the attempt's identity; ``serve``
answers on it. Why not a gRPC library: none of them adopts a listening socket, and this costs a
quarter of the time per call.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any

from fyke.sdk.connection import Handler, SdkConnection, start_task
from fyke.sdk.flow import Admission, Pace

MAX_CONNECTIONS = 32
MAX_OPEN_STREAMS = 2000  # over all connections of the attempt

__all__ = ["Handler", "SdkServer", "serve"]


class SdkServer:
    """The service of one attempt: its connections, and what they share."""

    def __init__(self, loop: asyncio.AbstractEventLoop, handler: Handler) -> None:
        self.loop = loop
        self.handler = handler
        self.pace = Pace(loop)
        self.admission = Admission()
        self._connections: set[SdkConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open_streams = 0
        self._listening: asyncio.Server | None = None

    async def listen(self, listener: socket.socket) -> None:
        self._listening = await self.loop.create_server(
            lambda: SdkConnection(self), sock=listener, backlog=MAX_CONNECTIONS
        )

    async def close(self) -> None:
        """Stop listening, say goodbye to every client, end the handlers. Safe to repeat."""
        if self._listening is not None:
            self._listening.close()
        for connection in list(self._connections):
            connection.say_goodbye()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in list(self._connections):
            connection.transport.abort()

    # --- for the connections ------------------------------------------------------------

    def admit(self, connection: SdkConnection) -> bool:
        """Whether there is room for one more connection."""
        if len(self._connections) >= MAX_CONNECTIONS:
            return False
        self._connections.add(connection)
        return True

    def forget(self, connection: SdkConnection) -> None:
        self._connections.discard(connection)

    def open_stream(self) -> bool:
        """Whether there is room for one more call. Calls whose client is gone count as long as
        their handlers run.
        """
        if self._open_streams >= MAX_OPEN_STREAMS:
            return False
        self._open_streams += 1
        return True

    def close_stream(self) -> None:
        self._open_streams -= 1

    def start(self, call: Coroutine[Any, Any, None]) -> None:
        """Run a call beside the others."""
        task = start_task(call, self.loop)
        if not task.done():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def serve(listener: socket.socket, handler: Handler) -> SdkServer:
    """Answer on the socket until ``close``. The handler gets the path and the message of every
    call and returns the reply, or raises one of ``fyke.sdk.status``.
    """
    listener.setblocking(False)
    server = SdkServer(asyncio.get_running_loop(), handler)
    await server.listen(listener)
    return server
