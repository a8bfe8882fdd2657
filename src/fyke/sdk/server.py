"""The service of one attempt: the limits and open calls of all its connections."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from fyke.sdk.flow import Admission, WorkLimiter

Handler = Callable[[str, bytes], Awaitable[bytes]]

MAX_CONNECTIONS = 32
MAX_OPEN_STREAMS = 2000  # across all connections of the attempt


class ServedConnection(Protocol):
    """The part of a connection that its server uses."""

    transport: asyncio.Transport

    def shut_down(self) -> None: ...


class SdkServer:
    """The service of one attempt: its connections and their shared state."""

    def __init__(self, loop: asyncio.AbstractEventLoop, handler: Handler) -> None:
        self.loop = loop
        self.handler = handler
        self.limiter = WorkLimiter(loop)
        self.admission = Admission()
        self._connections: set[ServedConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open_streams = 0
        self._server: asyncio.Server | None = None

    async def listen(
        self, listener: socket.socket, connection: Callable[[SdkServer], asyncio.Protocol]
    ) -> None:
        """Accept on ``listener``; ``connection`` creates the protocol of each client."""
        self._server = await self.loop.create_server(
            lambda: connection(self), sock=listener, backlog=MAX_CONNECTIONS
        )

    async def close(self) -> None:
        """Stop listening, end all connections and handlers. Safe to repeat."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.shut_down()
        self.limiter.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in list(self._connections):
            connection.transport.abort()

    # --- for the connections ------------------------------------------------------------

    def admit(self, connection: ServedConnection) -> bool:
        """Whether there is room for one more connection."""
        if len(self._connections) >= MAX_CONNECTIONS:
            return False
        self._connections.add(connection)
        return True

    def forget(self, connection: ServedConnection) -> None:
        self._connections.discard(connection)

    def open_stream(self) -> bool:
        """Whether there is room for one more call. A call counts while its handler runs, even
        after its client has disconnected.
        """
        if self._open_streams >= MAX_OPEN_STREAMS:
            return False
        self._open_streams += 1
        return True

    def close_stream(self) -> None:
        self._open_streams -= 1

    def start(self, call: Coroutine[Any, Any, None]) -> None:
        """Run a call concurrently with the others."""
        task = start_task(call, self.loop)
        if not task.done():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


if sys.version_info >= (3, 12):

    def start_task(
        coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop
    ) -> asyncio.Task[None]:
        """Run at once up to the first wait: most calls end before it."""
        return asyncio.Task(coroutine, loop=loop, eager_start=True)

else:

    def start_task(
        coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop
    ) -> asyncio.Task[None]:
        """Older versions of Python start a task in the next turn of the event loop."""
        return loop.create_task(coroutine)
