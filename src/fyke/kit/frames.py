"""Frames between a process of ours in a sandbox, which may be taken over, and this process.

A frame is four bytes of length, big-endian, and one JSON object. A request has a number, ``id``,
which its answer repeats; a frame without one is an event.

The frames go over a TCP connection of the sandbox's network, which cannot carry descriptors: one
that comes from a hostile process can make this one wait when it is closed. The process inside sends
our end of it through the control socket before it starts anything, together with the two sockets
of ``SandboxNetwork``. After that nothing more is accepted from the control socket, whose end is the
end of the sandbox.
"""

from __future__ import annotations

import array
import asyncio
import itertools
import json
import socket
from collections.abc import Callable
from typing import Any

from fyke.kit.sandbox_network import SandboxNetwork

LENGTH_BYTES = 4
MAX_FRAME = 64 * 1024  # bytes of JSON
MAX_UNSENT = 1024 * 1024
SOCKETS = 3  # the channel, and those of ``SandboxNetwork``
# space for credentials, if the socket asks for them, and for the descriptors
_ANCILLARY = socket.CMSG_SPACE(12) + socket.CMSG_SPACE(SOCKETS * 4)

Frame = dict[str, Any]


class FramesEnded(Exception):
    """The connection has ended; the message gives the cause."""


def encode(frame: Frame) -> bytes:
    """The frame as bytes. Raise ``ValueError`` above ``MAX_FRAME``."""
    body = json.dumps(frame).encode()
    if len(body) > MAX_FRAME:
        raise ValueError(f"a frame of {len(body)} bytes; at most {MAX_FRAME} are allowed")
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


class FrameClient:
    """Sends requests into the sandbox whose ``control`` socket belongs to this object from now on.

    ``on_event`` gets every event; ``on_lost`` is called once with the cause, unless ``close`` was
    called. Bytes that are no frame end the connection.
    """

    def __init__(
        self,
        control: socket.socket,
        on_event: Callable[[Frame], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._control = control
        self._channel: socket.socket | None = None
        self._network: SandboxNetwork | None = None
        self._on_event = on_event
        self._on_lost: Callable[[str], None] | None = on_lost
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Frame]] = {}
        self._connecting: set[asyncio.Task[socket.socket]] = set()
        self._head = bytearray()
        self._body = bytearray()
        self._unsent = bytearray()
        self._reason = ""
        self._loop = asyncio.get_running_loop()
        control.setblocking(False)
        self._loop.add_reader(control, self._receive_sockets)

    async def ask(self, request: str, timeout: float, **fields: Any) -> Frame:
        """Send ``{"type": request, "id", **fields}``; return the answer. Raise ``FramesEnded`` at
        the end of the connection, ``TimeoutError`` after ``timeout`` seconds, ``ValueError`` for a
        request above ``MAX_FRAME``.
        """
        if self._reason:
            raise FramesEnded(self._reason)
        number = next(self._numbers)
        packet = encode({"type": request, "id": number, **fields})
        answer: asyncio.Future[Frame] = self._loop.create_future()
        self._waiting[number] = answer
        try:
            self._send(packet)
            async with asyncio.timeout(timeout):
                return await answer
        finally:
            self._waiting.pop(number, None)

    async def connect(self, port: int, timeout: float) -> socket.socket:
        """A connection to a port of the sandbox, after the first answer. Raise ``FramesEnded``,
        ``TimeoutError``, ``OSError``.
        """
        if self._reason or self._network is None:
            raise FramesEnded(self._reason or "it has no network yet")
        connecting = self._loop.create_task(self._network.connect(port))
        self._connecting.add(connecting)
        connecting.add_done_callback(self._connecting.discard)
        try:
            async with asyncio.timeout(timeout):
                await asyncio.wait({connecting})
        except BaseException:
            connecting.cancel()
            connecting.add_done_callback(_close_made)
            raise
        if connecting.cancelled():
            raise FramesEnded(self._reason)
        return connecting.result()

    def close(self) -> None:
        """End the connection. Safe to repeat."""
        self._on_lost = None
        self._end("the connection was closed")

    def _receive_sockets(self) -> None:
        """Take what was sent before anything was started inside; then let nothing more come."""
        try:
            data, ancillary, flags, _ = self._control.recvmsg(
                MAX_FRAME, _ANCILLARY, socket.MSG_CMSG_CLOEXEC
            )
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(f"the connection broke: {error}")
            return
        received = [socket.socket(fileno=number) for number in _descriptors(ancillary)]
        if len(received) != SOCKETS or flags & socket.MSG_CTRUNC:
            for sock in received:
                sock.close()
            self._end("no sockets came" if data else "its first process has ended")
            return
        self._loop.remove_reader(self._control)
        self._control.shutdown(socket.SHUT_RD)
        self._channel = received[0]
        self._channel.setblocking(False)
        self._network = SandboxNetwork(*received[1:])
        self._loop.add_reader(self._channel, self._read, self._channel)
        if self._unsent:
            self._flush(self._channel)

    def _send(self, packet: bytes) -> None:
        self._unsent += packet
        if len(self._unsent) > MAX_UNSENT:
            self._end("the other side does not read")
        elif len(self._unsent) == len(packet) and self._channel is not None:
            self._flush(self._channel)

    def _flush(self, channel: socket.socket) -> None:
        try:
            sent = channel.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._end(f"the connection broke: {error}")
            return
        del self._unsent[:sent]
        if self._unsent:
            self._loop.add_writer(channel, self._flush, channel)
        else:
            self._loop.remove_writer(channel)

    def _read(self, channel: socket.socket) -> None:
        """Read at most to the end of a frame: one that sends many gets its turn like others."""
        length = int.from_bytes(self._head, "big") if len(self._head) == LENGTH_BYTES else None
        target, size = (self._head, LENGTH_BYTES) if length is None else (self._body, length)
        try:
            data = channel.recv(size - len(target))
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(f"the connection broke: {error}")
            return
        if not data:
            self._end("its first process has ended")
            return
        target += data
        if length is None:
            size = int.from_bytes(self._head, "big")
            if len(self._head) == LENGTH_BYTES and not 0 < size <= MAX_FRAME:
                self._end(f"a frame of {size} bytes")
        elif len(target) == length:
            self._take()

    def _take(self) -> None:
        body, self._body, self._head = bytes(self._body), bytearray(), bytearray()
        try:
            frame = json.loads(body)
        except (ValueError, RecursionError):
            frame = None
        if not isinstance(frame, dict) or not isinstance(frame.get("type"), str):
            self._end("a frame that is no JSON object with a type")
            return
        if "id" not in frame:
            self._on_event(frame)
            return
        number = frame["id"]
        answer = self._waiting.pop(number, None) if type(number) is int else None
        if answer is not None and not answer.done():  # the request may have been given up
            answer.set_result(frame)

    def _end(self, reason: str) -> None:
        if self._reason:
            return
        self._reason = reason
        if self._channel is None:
            self._loop.remove_reader(self._control)
        else:
            self._loop.remove_reader(self._channel)
            self._loop.remove_writer(self._channel)
            self._channel.close()
        self._control.close()
        for connecting in self._connecting:
            connecting.cancel()
        if self._network is not None:
            self._loop.call_soon(self._network.close)  # after what was cancelled
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            if not answer.done():
                answer.set_exception(FramesEnded(reason))
        on_lost, self._on_lost = self._on_lost, None
        if on_lost is not None:
            on_lost(reason)


def _close_made(connecting: asyncio.Task[socket.socket]) -> None:
    """Close a connection that came too late."""
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().close()


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    numbers = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
    return list(numbers)
