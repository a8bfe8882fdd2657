"""The SDK service in a thread of its own, for tests with blocking clients."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fyke.domain.nodes.rows import NodeRows
from fyke.domain.results.intake import AttemptIntake, Intake
from fyke.kit.clock import SystemClock
from fyke.sdk.http2 import SdkServer, serve
from fyke.sdk.service import SdkService
from support.blocking_results import BlockableResults

SDK = Path(__file__).parents[2] / "sdk" / "python"
if str(SDK) not in sys.path:
    sys.path.append(str(SDK))


async def nothing_else(_run_id: str, _attempt_id: str) -> bool:
    """No attempt is opened by another process."""
    return False


class LoopThread:
    """An event loop in a thread; other threads may run coroutines in it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Awaitable[Any], timeout: float = 60) -> Any:
        async def wrapped() -> Any:
            return await work

        return asyncio.run_coroutine_threadsafe(wrapped(), self.loop).result(timeout)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class Platform:
    """A store, an intake, and attempts with sockets."""

    def __init__(self, thread: LoopThread) -> None:
        self.thread = thread
        self.results: Any = BlockableResults()
        self.intake = Intake(self.results, SystemClock())
        self._committing: asyncio.Task[None] | None = None
        self._servers: list[SdkServer] = []

    async def start(self, results: Any = None) -> None:
        if results is not None:
            self.results = results
            self.intake = Intake(NodeRows(results, nothing_else), SystemClock())
        self._committing = asyncio.create_task(self.intake.run())

    async def attempt(
        self, name: str = "a", input_json: bytes = b'{"a":1}'
    ) -> tuple[int, AttemptIntake]:
        """Port and intake of a new attempt of the run ``run-<name>``."""
        attempt = await self.intake.open(f"run-{name}", name, name)
        return await self.serve(SdkService(attempt, input_json).handle), attempt

    async def serve(self, handle: Callable[[str, bytes], Awaitable[bytes]]) -> int:
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        server = await serve(listener, handle)
        self._servers.append(server)
        return int(listener.getsockname()[1])

    @property
    def servers(self) -> list[SdkServer]:
        return self._servers

    async def stop(self) -> None:
        for server in self._servers:
            await server.close()
        if self._committing is not None:
            self._committing.cancel()
            await asyncio.gather(self._committing, return_exceptions=True)


@contextmanager
def platform() -> Iterator[Platform]:
    thread = LoopThread()
    running = Platform(thread)
    thread.run(running.start())
    try:
        yield running
    finally:
        thread.run(running.stop())
        thread.stop()


def rows_of(platform: Platform) -> list[bytes]:
    return [data for _, _, data in platform.results.stored]
