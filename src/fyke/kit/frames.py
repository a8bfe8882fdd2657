"""Frames on a stream socket: requests to a process that may be hostile, and its answers.

A frame is four bytes of length, big-endian, and one JSON object. Descriptors belong to the frame
with whose bytes they arrive; at most one is accepted. A request has a number, ``id``, which its
answer repeats; a frame without one is an event.
"""

from __future__ import annotations

import array
import asyncio
import itertools
import json
import os
import socket
from collections.abc import Callable
from typing import Any

LENGTH_BYTES = 4
MAX_FRAME = 64 * 1024  # bytes of JSON
MAX_UNSENT = 1024 * 1024
# space for credentials, if the socket asks for them, and for one descriptor more than is accepted
_ANCILLARY = socket.CMSG_SPACE(12) + socket.CMSG_SPACE(8)

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
    """Sends requests over ``sock``, which belongs to this object from now on.

    ``on_event`` gets every event; ``on_lost`` is called once with the cause, unless ``close`` was
    called. Bytes that are no frame, and descriptors that no answer may have, end the connection.
    """

    def __init__(
        self,
        sock: socket.socket,
        on_event: Callable[[Frame], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._sock = sock
        self._on_event = on_event
        self._on_lost: Callable[[str], None] | None = on_lost
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[tuple[Frame, socket.socket | None]]] = {}
        self._head = bytearray()
        self._body = bytearray()
        self._descriptors: list[int] = []
        self._unsent = bytearray()
        self._reason = ""
        self._loop = asyncio.get_running_loop()
        sock.setblocking(False)
        self._loop.add_reader(sock, self._read)

    async def ask(
        self, request: str, timeout: float, **fields: Any
    ) -> tuple[Frame, socket.socket | None]:
        """Send ``{"type": request, "id", **fields}``; return the answer and the socket that came
        with it. Raise ``FramesEnded`` at the end of the connection, ``TimeoutError`` after
        ``timeout`` seconds, ``ValueError`` for a request above ``MAX_FRAME``.
        """
        if self._reason:
            raise FramesEnded(self._reason)
        number = next(self._numbers)
        packet = encode({"type": request, "id": number, **fields})
        answer: asyncio.Future[tuple[Frame, socket.socket | None]] = self._loop.create_future()
        self._waiting[number] = answer
        try:
            self._send(packet)
            async with asyncio.timeout(timeout):
                return await asyncio.shield(answer)
        except BaseException:
            _discard(answer)
            raise
        finally:
            self._waiting.pop(number, None)

    def close(self) -> None:
        """End the connection. Safe to repeat."""
        self._on_lost = None
        self._end("the connection was closed")

    def _send(self, packet: bytes) -> None:
        self._unsent += packet
        if len(self._unsent) > MAX_UNSENT:
            self._end("the other side does not read")
        elif len(self._unsent) == len(packet):
            self._flush()

    def _flush(self) -> None:
        try:
            sent = self._sock.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._end(f"the connection broke: {error}")
            return
        del self._unsent[:sent]
        if self._unsent:
            self._loop.add_writer(self._sock, self._flush)
        else:
            self._loop.remove_writer(self._sock)

    def _read(self) -> None:
        """Read at most to the end of a frame, so that descriptors belong to that frame."""
        length = int.from_bytes(self._head, "big") if len(self._head) == LENGTH_BYTES else None
        target, size = (self._head, LENGTH_BYTES) if length is None else (self._body, length)
        try:
            data, ancillary, flags, _ = self._sock.recvmsg(
                size - len(target), _ANCILLARY, socket.MSG_CMSG_CLOEXEC
            )
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(f"the connection broke: {error}")
            return
        self._descriptors += _descriptors(ancillary)
        if flags & socket.MSG_CTRUNC or len(self._descriptors) > 1:
            self._end("a frame with more than one descriptor")
            return
        if not data:
            self._end("the other side has ended")
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
            if self._descriptors:
                self._end("an event with a descriptor")
            else:
                self._on_event(frame)
            return
        number = frame["id"]
        try:
            received = socket.socket(fileno=self._descriptors[0]) if self._descriptors else None
        except OSError:
            self._end("a descriptor that is no socket")
            return
        self._descriptors = []
        answer = self._waiting.pop(number, None) if type(number) is int else None
        if answer is not None:
            answer.set_result((frame, received))
        elif received is not None:  # the request was given up meanwhile
            received.close()

    def _end(self, reason: str) -> None:
        if self._reason:
            return
        self._reason = reason
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            answer.set_exception(FramesEnded(reason))
        on_lost, self._on_lost = self._on_lost, None
        if on_lost is not None:
            on_lost(reason)


def _discard(answer: asyncio.Future[tuple[Frame, socket.socket | None]]) -> None:
    """Close what came while the request was being given up."""
    if not answer.done():
        answer.cancel()
    elif answer.exception() is None and (received := answer.result()[1]) is not None:
        received.close()


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    numbers = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
    return list(numbers)
