"""A proxy in front of a unix socket or a local port. Its connections can go silent: they stay open,
and everything sent on them is lost. New connections work afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path


class Proxy:
    """Listens on a port of the loopback address. Its public methods are safe in every thread."""

    def __init__(self, behind: Path | int, loop: asyncio.AbstractEventLoop) -> None:
        self._behind, self._loop = behind, loop
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._open: dict[asyncio.Task[None], int] = {}  # connections by number
        self._number = 0
        self._silent_until = 0  # connections up to this number are silent
        self._all_silent = False
        self._refusing = False

    def silence(self, *, new_ones: bool = False) -> None:
        """Every open connection is silent from now on, and with ``new_ones`` each that is opened
        before the next call.
        """
        self._all_silent = new_ones
        self._silent_until = self._number

    def refuse(self, refusing: bool) -> None:
        """Close all connections, and new ones at once, or no longer."""
        self._refusing = refusing
        if refusing:
            self._silent_until = self._number
            self.end_silent()

    def end_silent(self) -> None:
        """Close the silent connections towards both sides."""
        self._loop.call_soon_threadsafe(self._end_silent)

    def _end_silent(self) -> None:
        for task, number in self._open.items():
            if number <= self._silent_until:
                task.cancel()

    async def serve(self, stop: asyncio.Event) -> None:
        server = await asyncio.start_server(self._accept, sock=self._listener)
        async with server:
            await stop.wait()
            for task in self._open:
                task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self._refusing:
            writer.transport.abort()
            return
        self._number += 1
        number = self._open[task] = self._number
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.CancelledError):
            try:
                back_reader, back_writer = await self._connect()
                with contextlib.closing(back_writer):
                    await asyncio.gather(
                        self._copy(number, reader, back_writer),
                        self._copy(number, back_reader, writer),
                    )
            finally:
                del self._open[task]

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._behind, int):
            return await asyncio.open_connection("127.0.0.1", self._behind)
        return await asyncio.open_unix_connection(self._behind)

    async def _copy(
        self, number: int, source: asyncio.StreamReader, target: asyncio.StreamWriter
    ) -> None:
        """Copy until ``source`` ends; the target learns that too, unless they are silent."""
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if not self._is_silent(number):
                    target.write(data)
                    await target.drain()
        if not self._is_silent(number):
            target.close()

    def _is_silent(self, number: int) -> bool:
        return self._all_silent or number <= self._silent_until


@contextlib.contextmanager
def proxying(behind: Path | int) -> Iterator[Proxy]:
    """Run a proxy in its own thread during the block."""
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    proxy = Proxy(behind, loop)
    thread = threading.Thread(target=lambda: loop.run_until_complete(proxy.serve(stop)))
    thread.start()
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()
