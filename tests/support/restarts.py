"""A server on one port that can be stopped, started again, and made to drop its connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from fyke.api.protocol import LimitedProtocol
from support.served import Served


class Restarts:
    """Runs in the loop of ``served``, beside its server."""

    def __init__(self, served: Served) -> None:
        self._served = served
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._running: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._served.do(self._start())

    async def _start(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port))
        config = uvicorn.Config(
            self._served.app.asgi(rate_limit=0),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            http=LimitedProtocol,
            timeout_graceful_shutdown=1,
        )
        self._running = uvicorn.Server(config)
        self._task = asyncio.create_task(self._running.serve(sockets=[listener]))
        while not self._running.started:
            await asyncio.sleep(0.001)

    def cut(self) -> None:
        """Abort every open connection."""
        self._served.do(self._cut())

    async def _cut(self) -> None:
        assert self._running is not None
        for connection in list(self._running.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()

    def stop(self) -> None:
        self._served.do(self._stop())

    async def _stop(self) -> None:
        assert self._running is not None and self._task is not None
        await self._cut()
        self._running.should_exit = True
        await self._task


@contextmanager
def restarts(served: Served) -> Iterator[Restarts]:
    """A started server, stopped at the end."""
    server = Restarts(served)
    server.start()
    try:
        yield server
    finally:
        server.stop()
