"""Requests with numbers over a packet channel: a process that serves them, and its client.

The serving process may end at any moment; the client reconnects, and what it opened there before is
opened again. A client that ends takes along what it opened.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import msgspec

from fyke.kit.backoff import delay
from fyke.kit.channel import Channel, PeerRefused, check_peer, connect, listen, withdraw

_log = logging.getLogger(__name__)

_WARN_AFTER = 8  # tries, about two seconds
UNAWAITED = 0  # the number of a request whose answer is ignored

Execute = Callable[[Any, list[int]], Awaitable[None]]


class RequestDone(msgspec.Struct, frozen=True, tag="done"):
    """The answer to the request of the same number; ``error`` is empty on success."""

    seq: int
    error: str = ""


# the serving process


class ServedChannel:
    """One client. ``execute`` gets its requests one after the other, with descriptors that are
    closed afterwards. ``on_end`` is called once, when nothing more will be executed.
    """

    def __init__(
        self,
        sock: socket.socket,
        decode: Callable[[bytes], Any],
        execute: Execute,
        on_lost: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        """``on_lost`` is called as soon as the connection is lost, maybe during a request."""
        self._decode = decode
        self._execute = execute
        self._on_lost = on_lost
        self._on_end = on_end
        self._requests: asyncio.Queue[tuple[Any, list[int]] | None] = asyncio.Queue()
        self._channel = Channel(sock, self._received, self._lost)
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def send(self, message: bytes) -> None:
        self._channel.send(message)

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def _received(self, message: bytes, descriptors: list[int]) -> None:
        try:
            request = self._decode(message)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            _log.error("a client sent a malformed message: %.200s", error)
            close_all(descriptors)
            self._channel.close()
            return
        self._requests.put_nowait((request, descriptors))

    def _lost(self) -> None:
        self._on_lost()
        self._requests.put_nowait(None)

    async def _serve(self) -> None:
        try:
            while (item := await self._requests.get()) is not None:
                try:
                    await self._execute(*item)
                finally:
                    close_all(item[1])
        finally:
            while not self._requests.empty():
                item = self._requests.get_nowait()
                if item is not None:
                    close_all(item[1])
            self._channel.close()  # after an error here too, since the queue is no longer read
            self._on_end()


class ClosableSession(Protocol):
    def close(self) -> None: ...


async def serve_clients(
    path: Path,
    make_session: Callable[[socket.socket], ClosableSession],
    sessions: set[ClosableSession],
    ready: asyncio.Event | None = None,
) -> None:
    """Accept clients of our uid at ``path`` until cancelled; then close ``sessions``, to which each
    new one is added. ``ready`` is set once it listens. Raise ``OSError`` when another process
    serves the path.
    """
    listener = listen(path)
    try:
        if ready is not None:
            ready.set()
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(listener)
            try:
                check_peer(sock)
            except PeerRefused as error:
                _log.error("%s; refused", error)
                sock.close()
                continue
            sock.setblocking(False)
            sessions.add(make_session(sock))
    finally:
        withdraw(listener, path)
        for session in list(sessions):
            session.close()


def adopt(descriptor: int) -> socket.socket:
    """Return a socket with a duplicate of a descriptor. Raise ``OSError`` if it is not a socket."""
    duplicate = os.dup(descriptor)
    try:
        return socket.socket(fileno=duplicate)
    except BaseException:
        os.close(duplicate)
        raise


def close_all(descriptors: Sequence[int]) -> None:
    """Close descriptors that came with a message."""
    for descriptor in descriptors:
        os.close(descriptor)


# the client


class ClientChannel:
    """One connection to the serving process, and its pending requests."""

    def __init__(
        self,
        sock: socket.socket,
        decode: Callable[[bytes], Any],
        on_notice: Callable[[Any], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._decode = decode
        self._on_notice, self._on_lost = on_notice, on_lost
        self._pending: dict[int, asyncio.Future[str | None]] = {}
        self._seq = 0
        self._dead = False
        self._channel = Channel(sock, self._received, self._lost)

    async def request(
        self, make: Callable[[int], bytes], descriptors: Sequence[int] = ()
    ) -> str | None:
        """Send a request; return the error of the answer, None when the connection is lost."""
        if self._dead:
            return None
        self._seq += 1
        future: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._pending[self._seq] = future
        self._channel.send(make(self._seq), descriptors)
        return await future

    def send(self, message: bytes) -> None:
        """Send a request with the number ``UNAWAITED``."""
        if not self._dead:
            self._channel.send(message)

    def close(self) -> None:
        self._channel.close()

    def _received(self, message: bytes, descriptors: list[int]) -> None:
        close_all(descriptors)
        reply = self._decode(message)
        if not isinstance(reply, RequestDone):
            self._on_notice(reply)
            return
        future = self._pending.pop(reply.seq, None)
        if future is not None and not future.done():
            future.set_result(reply.error)

    def _lost(self) -> None:
        for future in self._pending.values():
            if not future.done():
                future.set_result(None)
        self._pending.clear()
        self._dead = True
        self._on_lost()


class KeptConnection:
    """Keeps a connection to the process at ``path``, from ``start`` to ``stop``.

    After each loss it connects again, and calls ``reopen`` with the new connection before requests
    use it. ``on_lost`` is called at each loss.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        decode: Callable[[bytes], Any],
        on_notice: Callable[[Any], None],
        reopen: Callable[[ClientChannel], Awaitable[None]],
        on_lost: Callable[[], None] = lambda: None,
        *,
        paused: bool = False,
    ) -> None:
        """``name`` is that of the process, for the log. ``paused``: it does not connect yet."""
        self._path = path
        self._name = name
        self._decode = decode
        self._on_notice = on_notice
        self._reopen = reopen
        self._on_lost = on_lost
        self._up = asyncio.Event()
        self._down = asyncio.Event()
        self._wanted = asyncio.Event()
        if not paused:
            self._wanted.set()
        self._keeper: asyncio.Task[None] | None = None
        self.current: ClientChannel | None = None

    def start(self) -> None:
        self._keeper = asyncio.get_running_loop().create_task(self._keep_connected())

    def pause(self) -> None:
        """Do not connect again when the connection is lost."""
        self._wanted.clear()

    def resume(self) -> None:
        """Connect, and connect again after each loss."""
        self._wanted.set()

    async def stop(self) -> None:
        """Disconnect; the process then ends what we opened."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        if self.current is not None:
            self.current.close()

    async def request(
        self, send: Callable[[ClientChannel], Awaitable[str | None]], timeout: float | None
    ) -> str:
        """Send a request until it is answered, after each loss on a new connection; return the
        error of the answer. Raise ``TimeoutError``.
        """
        error: str | None = None
        async with asyncio.timeout(timeout):
            while error is None:
                await self._up.wait()
                if self.current is not None:
                    error = await send(self.current)
        return error

    async def request_once(self, make: Callable[[int], bytes], timeout: float) -> None:
        """Send a request over the present connection, whose end has the same effect, and ignore an
        error. Raise ``TimeoutError``.
        """
        if self.current is not None:
            async with asyncio.timeout(timeout):
                await self.current.request(make)

    async def _keep_connected(self) -> None:
        failures = 0
        while True:
            if not self._wanted.is_set():
                await self._wanted.wait()
                failures = 0
            try:
                sock = connect(self._path)
            except (OSError, PeerRefused) as error:
                failures += 1
                if failures == _WARN_AFTER:
                    _log.warning("the %s process cannot be reached: %s", self._name, error)
                await asyncio.sleep(delay(failures, base=0.02, cap=1.0))
                continue
            failures = 0
            self._down.clear()
            self.current = ClientChannel(sock, self._decode, self._on_notice, self._lost)
            await self._reopen(self.current)
            if not self._down.is_set():
                self._up.set()
                await self._down.wait()

    def _lost(self) -> None:
        self.current = None
        self._up.clear()
        self._down.set()
        self._on_lost()
