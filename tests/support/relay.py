"""One address in front of several servers: each connection goes to the next of them in turn.

A relay in front of one server is also the link of a node, which a test can cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

Address = tuple[str, int]


class Relay:
    """Passes all bytes on in both directions. A server that is down is skipped.

    ``cut`` delays them, which is silence for both sides, until ``heal``.
    """

    def __init__(self, servers: Sequence[Address]) -> None:
        self.servers = list(servers)
        self.connections = dict.fromkeys(self.servers, 0)  # by server
        self.url = ""
        self.address: Address = ("", 0)
        self._loop = asyncio.new_event_loop()
        self._to_server = _open_way()
        self._to_client = _open_way()
        self._turn = 0
        self._open: set[asyncio.Task[None]] = set()

    def run(self, listener: socket.socket, stop: asyncio.Event) -> None:
        self._loop.run_until_complete(self.serve(listener, stop))
        self._loop.close()

    def call(self, callback: Callable[[], None]) -> None:
        """Call it in the thread of the relay."""
        self._loop.call_soon_threadsafe(callback)

    def cut(self, *, to_server: bool = True, to_client: bool = True) -> None:
        """Delay all bytes in these directions from now on."""
        for way, wanted in ((self._to_server, to_server), (self._to_client, to_client)):
            if wanted:
                self.call(way.clear)

    def heal(self) -> None:
        """Pass on what was delayed, and all that follows."""
        self.call(self._to_server.set)
        self.call(self._to_client.set)

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
            await asyncio.gather(
                _copy(reader, server_writer, self._to_server),
                _copy(server_reader, writer, self._to_client),
            )
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


def _open_way() -> asyncio.Event:
    way = asyncio.Event()
    way.set()
    return way


async def _copy(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, way: asyncio.Event
) -> None:
    """Copy until ``source`` ends, whenever ``way`` is set; then ``target`` is ended too."""
    try:
        while data := await source.read(65536):
            await way.wait()
            target.write(data)
            await target.drain()
        await way.wait()
        if target.can_write_eof():
            target.write_eof()
    except OSError:
        target.close()  # one side is gone, so the other need not wait


@contextmanager
def relaying(servers: Sequence[Address]) -> Iterator[Relay]:
    """A relay on a free port of this machine, in a thread of its own."""
    relay, stop = Relay(servers), asyncio.Event()
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    relay.address = listener.getsockname()
    relay.url = f"http://127.0.0.1:{relay.address[1]}"
    thread = threading.Thread(target=relay.run, args=(listener, stop))
    thread.start()
    try:
        yield relay
    finally:
        relay.call(stop.set)
        thread.join(30)
