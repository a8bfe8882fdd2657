"""One address in front of several servers: each connection goes to the next of them in turn."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

Address = tuple[str, int]


class Relay:
    """Passes all bytes on in both directions. A server that is down is skipped."""

    def __init__(self, servers: Sequence[Address]) -> None:
        self.servers = list(servers)
        self.connections = dict.fromkeys(self.servers, 0)  # by server
        self.url = ""
        self._turn = 0
        self._open: set[asyncio.Task[None]] = set()

    async def serve(self, listener: socket.socket, stop: asyncio.Event) -> None:
        server = await asyncio.start_server(self._accept, sock=listener)
        async with server:
            await stop.wait()
            for task in list(self._open):
                task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await self._pass_on(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = await self._connect()
        if server is None:
            return  # which closes the connection
        server_reader, server_writer = server
        try:
            await asyncio.gather(_copy(reader, server_writer), _copy(server_reader, writer))
        finally:
            server_writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in self.servers:
            address = self.servers[self._turn % len(self.servers)]
            self._turn += 1
            with contextlib.suppress(OSError):
                streams = await asyncio.open_connection(*address)
                self.connections[address] += 1
                return streams
        return None


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Copy until ``source`` ends; then ``target`` is ended too."""
    try:
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()
    except OSError:
        target.close()  # one side is gone, so the other need not wait


@contextmanager
def relaying(servers: Sequence[Address]) -> Iterator[Relay]:
    """A relay on a free port of this machine, in a thread of its own."""
    relay, stop = Relay(servers), asyncio.Event()
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    relay.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(relay.serve(listener, stop)))
    thread.start()
    try:
        yield relay
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()
