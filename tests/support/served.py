"""The API in a real uvicorn on loopback, in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import uvicorn

from fyke.api.protocol import LimitedProtocol
from fyke.contracts.git import Git
from support.app import App, open_app

T = TypeVar("T")


@dataclass
class Served:
    """A listening server; ``do`` runs a coroutine in the loop of its services."""

    base_url: str = ""
    app: App = field(init=False)
    loop: asyncio.AbstractEventLoop = field(init=False)

    def do(self, work: Coroutine[Any, Any, T], seconds: float = 30) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)


def _listener() -> socket.socket:
    """A listener on a free port. It names the protocol because asyncio sets TCP_NODELAY only then;
    without that every answer but the first of a connection waits 40 ms for the client's
    acknowledgement.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    return listener


@asynccontextmanager
async def serving(
    app: App, *, protocol: type[LimitedProtocol] = LimitedProtocol, **config: Any
) -> AsyncIterator[str]:
    """Serve ``app`` in the loop of the test; yield the address. May be used repeatedly, as by a
    server that is restarted.
    """
    listener = _listener()
    running = uvicorn.Server(
        uvicorn.Config(
            app.asgi(**config),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            http=protocol,
            timeout_graceful_shutdown=5,
        )
    )
    task = asyncio.create_task(running.serve(sockets=[listener]))
    while not running.started:
        await asyncio.sleep(0.001)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        running.should_exit = True
        await task
        listener.close()


@contextmanager
def served(
    folder: Path,
    templates: Path,
    *,
    around: Callable[[Any], Any] = lambda app: app,
    git: Git | None = None,
    **config: Any,
) -> Iterator[Served]:
    """``around`` may wrap the application before it is served; ``git`` fetches repositories."""
    server = Served()
    listener = _listener()
    server.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    ready, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        server.loop = asyncio.get_running_loop()
        async with open_app(folder, templates, git=git) as server.app:
            running = uvicorn.Server(
                uvicorn.Config(
                    around(server.app.asgi(**config)),
                    log_config=None,
                    access_log=False,
                    lifespan="off",
                    ws="none",
                    http=LimitedProtocol,
                    timeout_graceful_shutdown=1,
                )
            )
            serving = asyncio.create_task(running.serve(sockets=[listener]))
            ready.set()
            await stop.wait()
            running.should_exit = True
            await serving

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(30)
        yield server
    finally:
        server.loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        listener.close()
