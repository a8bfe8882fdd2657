"""The API in a real uvicorn on loopback, in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import uvicorn

from fyke.api.protocol import LimitedProtocol
from fyke.contracts.git import Git
from support.app import App, make_templates, open_app

T = TypeVar("T")


@dataclass
class Served:
    """A listening server; ``do`` runs a coroutine in the loop of its services."""

    base_url: str = ""
    app: App = field(init=False)
    loop: asyncio.AbstractEventLoop = field(init=False)

    def do(self, work: Coroutine[Any, Any, T], seconds: float = 30) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)


def _listener(port: int = 0) -> socket.socket:
    """A listener on ``port``, or on a free one. It names the protocol because asyncio sets
    TCP_NODELAY only then; without that every answer but the first of a connection waits 40 ms for
    the client's acknowledgement.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # for a later listener on this port, while connections to this one have not ended altogether
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
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
    templates: Path | None,
    *,
    around: Callable[[Any], Any] = lambda app: app,
    git: Git | None = None,
    port: int = 0,
    **config: Any,
) -> Iterator[Served]:
    """``templates``: as of ``open_app``. ``around`` may wrap the application before it is served;
    ``git`` fetches repositories. ``port``: that of an earlier server, instead of a free one.
    """
    server = Served()
    listener = _listener(port)
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


@contextmanager
def served_from_new_folder() -> Iterator[Served]:
    """A server without limits of requests, whose folder is removed at the end."""
    with tempfile.TemporaryDirectory() as folder:
        templates, data = Path(folder) / "templates", Path(folder) / "data"
        templates.mkdir()
        data.mkdir()
        with served(data, make_templates(templates), rate_limit=0) as server:
            yield server
