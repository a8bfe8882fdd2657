"""Frames of a stream between two of our machines, one of which may be hostile.

A frame is 13 bytes of header (length of the body, kind, number) and at most ``MAX_BODY`` bytes.
Messages that are longer are cut into parts: all but the last are full and have ``MORE`` in their
kind. Parts of different messages may alternate, at most ``MAX_OPEN`` of them.

Senders queue messages in lanes, so that a small message never waits until a large one is sent.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass
from enum import IntEnum

MAX_BODY = 64 * 1024
MAX_MESSAGE = 24 * 2**20
MAX_OPEN = 4  # one for each lane
MORE = 0x80  # in the kind: more parts follow
OVERHEAD = 128  # bytes that a queued message takes beside its body, about

_HEADER = struct.Struct(">IBQ")


class MessageKind(IntEnum):
    """What a message is. The number of an answer or error is that of its request; that of a ping
    is the time of its sender, which the pong repeats.
    """

    REQUEST = 1
    ANSWER = 2
    ERROR = 3
    NOTICE = 4
    PING = 5
    PONG = 6


_ANSWERS = frozenset({MessageKind.ANSWER, MessageKind.ERROR})
_EMPTY = frozenset({MessageKind.PING, MessageKind.PONG})  # kinds without a body


class SendLane(IntEnum):
    """Queues of a sender. ``URGENT`` messages are sent first; ``CONTROL`` and ``BULK`` take turns
    by frame. ``VIEWS`` are live pictures, which are sent while nothing else waits.
    """

    URGENT = 0
    CONTROL = 1
    BULK = 2
    VIEWS = 3


class BadStreamFrame(Exception):
    """The peer has broken a rule of the framing."""


@dataclass(frozen=True, slots=True)
class StreamMessage:
    kind: MessageKind
    number: int
    body: bytes


@dataclass(slots=True)
class _Queued:
    kind: MessageKind
    number: int
    body: memoryview


class Lanes:
    """Messages that wait to be sent; ``size`` is the memory that they take."""

    def __init__(self) -> None:
        self._lanes: tuple[deque[_Queued], ...] = tuple(deque() for _ in SendLane)
        self._turn = SendLane.CONTROL
        self.size = 0

    def __bool__(self) -> bool:
        return any(self._lanes)

    def put(self, lane: SendLane, kind: MessageKind, number: int, body: bytes = b"") -> None:
        """Queue a message. Raise ``ValueError`` above ``MAX_MESSAGE`` bytes."""
        if len(body) > MAX_MESSAGE:
            raise ValueError(f"a message has {len(body)} bytes; the limit is {MAX_MESSAGE}")
        self._lanes[lane].append(_Queued(kind, number, memoryview(body)))
        self.size += len(body) + OVERHEAD

    def take(self, size: int) -> bytes:
        """The next frames: at least one if there is any, and no more once they have ``size``
        bytes.
        """
        parts: list[bytes | memoryview] = []
        taken = 0
        while taken < size and (lane := self._next()) is not None:
            queued = self._lanes[lane][0]
            body, rest = queued.body[:MAX_BODY], queued.body[MAX_BODY:]
            code = queued.kind | (MORE if rest else 0)
            parts.append(_HEADER.pack(len(body), code, queued.number))
            parts.append(body)
            taken += _HEADER.size + len(body)
            self.size -= len(body)
            if rest:
                queued.body = rest
            else:
                self._lanes[lane].popleft()
                self.size -= OVERHEAD
        return b"".join(parts)

    def _next(self) -> SendLane | None:
        if self._lanes[SendLane.URGENT]:
            return SendLane.URGENT
        other = SendLane.BULK if self._turn is SendLane.CONTROL else SendLane.CONTROL
        lane = next((one for one in (self._turn, other) if self._lanes[one]), None)
        if lane is not None:
            self._turn = SendLane.BULK if lane is SendLane.CONTROL else SendLane.CONTROL
            return lane
        return SendLane.VIEWS if self._lanes[SendLane.VIEWS] else None


class FrameReader:
    """Makes messages of the received bytes. ``size`` is how many bytes of incomplete messages are
    kept, apart from one incomplete frame. ``most`` is the limit of a message, and ``most_answer``
    that of an answer or error, if it is lower.
    """

    def __init__(self, most: int = MAX_MESSAGE, most_answer: int = MAX_MESSAGE) -> None:
        self.most = most
        self._most_answer = most_answer
        self._rest = bytearray()
        self._open: dict[tuple[MessageKind, int], list[bytes]] = {}
        self.size = 0

    def feed(self, data: bytes) -> list[StreamMessage]:
        """Return the messages that are complete now. Raise ``BadStreamFrame``; the reader cannot be
        used afterwards.
        """
        if self._rest:
            self._rest += data
            data = bytes(self._rest) if self._has_frame() else b""
        messages: list[StreamMessage] = []
        at = 0
        while len(data) - at >= _HEADER.size:
            length, code, number = _HEADER.unpack_from(data, at)
            kind = _checked(length, code)
            start = at + _HEADER.size
            if len(data) - start < length:
                break
            at = start + length
            message = self._add(kind, number, data[start:at], is_last=not code & MORE)
            if message is not None:
                messages.append(message)
        if at or not self._rest:
            self._rest = bytearray(data[at:])
        return messages

    def _has_frame(self) -> bool:
        """Whether the first frame is complete. Raise ``BadStreamFrame`` for a wrong one."""
        if len(self._rest) < _HEADER.size:
            return False
        length, code, _ = _HEADER.unpack_from(self._rest)
        _checked(length, code)
        return len(self._rest) >= _HEADER.size + int(length)

    def _add(
        self, kind: MessageKind, number: int, body: bytes, *, is_last: bool
    ) -> StreamMessage | None:
        parts = self._open.get((kind, number))
        if parts is None:
            if is_last:
                return StreamMessage(kind, number, body)
            if len(self._open) >= MAX_OPEN:
                raise BadStreamFrame(f"more than {MAX_OPEN} messages are open")
            parts = self._open[kind, number] = []
        parts.append(body)
        self.size += len(body)
        if not is_last:
            most = min(self.most, self._most_answer) if kind in _ANSWERS else self.most
            if len(parts) * MAX_BODY >= most:
                raise BadStreamFrame(f"a message has more than {most} bytes")
            return None
        del self._open[kind, number]
        whole = b"".join(parts)
        self.size -= len(whole)
        return StreamMessage(kind, number, whole)


def _checked(length: int, code: int) -> MessageKind:
    """The kind of a frame, whose body may still be missing. Raise ``BadStreamFrame``."""
    if length > MAX_BODY:
        raise BadStreamFrame(f"a frame has {length} bytes; the limit is {MAX_BODY}")
    try:
        kind = MessageKind(code & ~MORE)
    except ValueError:
        raise BadStreamFrame(f"there is no frame of kind {code & ~MORE}") from None
    if code & MORE and length < MAX_BODY:
        raise BadStreamFrame("a part that is not the last one is not full")
    if kind in _EMPTY and length:
        raise BadStreamFrame(f"a {kind.name.lower()} has a body")
    return kind
