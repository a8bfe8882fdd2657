"""Stands between a store and PostgreSQL, and interrupts their connections on request."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.postgres import PostgresServer

SOCKET = ".s.PGSQL.5432"


class Relay:
    """Forwards bytes between its own socket and the server's, and cuts connections on request.

    ``down`` refuses new connections; ``down_after_cut`` does so from the cut on. ``silence`` makes
    all open connections drop what is sent; with ``silent`` new ones do so from their start. ``cut``
    applies to the next COMMIT: ``before`` (the COMMIT does not reach the server), ``after`` (it
    does, but the client gets no answer), ``swallow`` (as ``before``, but the connection stays open
    and silent), or empty. New connections go to the server whose socket is in ``server``.
    """

    def __init__(self, folder: Path, server: Path) -> None:
        self.folder, self.server = folder, server
        self.cut = ""
        self.cuts = 0
        self.down = self.down_after_cut = self.silent = False
        self._silence = asyncio.Event()
        self._lines: set[asyncio.StreamWriter] = set()

    async def start(self) -> asyncio.Server:
        return await asyncio.start_unix_server(self._serve, self.folder / SOCKET)

    def drop(self) -> None:
        """Cut every connection."""
        for writer in self._lines:
            writer.transport.abort()

    def silence(self) -> None:
        """From now on no byte passes an open connection, in either direction."""
        before, self._silence = self._silence, asyncio.Event()
        before.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.down:
            writer.transport.abort()
            return
        silence = self._silence
        if self.silent:
            silence = asyncio.Event()
            silence.set()
        from_server, to_server = await asyncio.open_unix_connection(self.server / SOCKET)
        ends = {writer, to_server}
        self._lines |= ends
        try:
            done, pending = await asyncio.wait(
                [
                    asyncio.create_task(self._to_server(reader, to_server, silence)),
                    asyncio.create_task(self._to_client(from_server, writer, silence)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in pending:
                task.cancel()
            await asyncio.gather(*done, *pending, return_exceptions=True)
        finally:
            self._lines -= ends
            for end in ends:
                end.transport.abort()

    async def _to_client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, silence: asyncio.Event
    ) -> None:
        while data := await reader.read(65536):
            if self._answering:
                return  # drop the server's answer to the COMMIT, and cut
            if not silence.is_set():
                writer.write(data)
                await writer.drain()

    _answering = False

    async def _to_server(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, silence: asyncio.Event
    ) -> None:
        while data := await reader.read(65536):
            if silence.is_set():
                continue
            mode = self.cut if b"COMMIT\0" in data else ""
            if mode:
                self.cut, self.cuts = "", self.cuts + 1
                self.down |= self.down_after_cut
            if mode == "before":
                return
            if mode == "swallow":
                self.silence()
                continue
            self._answering = mode == "after"
            writer.write(data)
            await writer.drain()
            if self._answering:
                await asyncio.sleep(0.05)  # in which the answer comes and is dropped
                self._answering = False
                return
        if silence.is_set():  # the server is not told that the client is gone
            await asyncio.Event().wait()


@contextmanager
def relaying(server: PostgresServer) -> Iterator[Relay]:
    """A relay in its own thread, whose socket processes of other users may open."""
    with tempfile.TemporaryDirectory(prefix="relay", dir="/tmp") as folder:
        relay = Relay(Path(folder), server.socket_dir)
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        listening = asyncio.run_coroutine_threadsafe(relay.start(), loop).result(30)
        relay.folder.chmod(0o711)
        (relay.folder / SOCKET).chmod(0o777)
        try:
            yield relay
        finally:
            loop.call_soon_threadsafe(listening.close)
            loop.call_soon_threadsafe(relay.drop)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(30)
            loop.close()


@pytest.fixture
async def relay(postgres: PostgresServer, anyio_backend: str) -> AsyncIterator[Relay]:
    with tempfile.TemporaryDirectory(prefix="relay", dir="/tmp") as folder:
        relay = Relay(Path(folder), postgres.socket_dir)
        server = await relay.start()
        yield relay
        server.close()
        relay.drop()
