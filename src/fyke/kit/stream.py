"""A stream of messages over one connection, as an asyncio protocol. It knows nothing of TLS.

Each end sends a ping every ``PING_SECONDS``. An end closes the connection when it has received no
byte for ``SILENCE_SECONDS``, or when the peer does not read.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from fyke.kit.stream_frames import (
    MAX_BODY,
    MAX_MESSAGE,
    BadStreamFrame,
    FrameReader,
    Lanes,
    MessageKind,
    SendLane,
    StreamMessage,
)

TICK_SECONDS = 1.0
PING_SECONDS = 2.0
SILENCE_SECONDS = 6.0
STALL_SECONDS = 8.0  # how long the peer may leave unread what was sent
GAP_SECONDS = 3.0  # between two ticks: this process was paused, so it has not listened
MAX_WAITING = 64 * 2**20  # bytes that wait to be sent

_PINGED = 1 << 64  # numbers of pings are taken modulo this


class Liveness:
    """Decides when to ping, and when the peer is gone. Times are seconds of one monotonic clock."""

    def __init__(self, now: float) -> None:
        self._ticked = self._heard = self._pinged = now
        self._blocked: float | None = None

    def heard(self, now: float) -> None:
        """Something was received."""
        self._heard = now

    def blocked(self, now: float | None) -> None:
        """What is sent waits since ``now``, or no longer (None)."""
        self._blocked = now

    def tick(self, now: float) -> str:
        """Call it every ``TICK_SECONDS``. Return why the peer is gone, "" while it is not."""
        if now - self._ticked > GAP_SECONDS:
            self._heard = now
            if self._blocked is not None:
                self._blocked = now
        self._ticked = now
        if now - self._heard > SILENCE_SECONDS:
            return f"nothing was received for {SILENCE_SECONDS:g} s"
        if self._blocked is not None and now - self._blocked > STALL_SECONDS:
            return f"the other end has read nothing for {STALL_SECONDS:g} s"
        return ""

    def is_ping_due(self, now: float) -> bool:
        """Whether to send a ping now, which counts as sent."""
        due = now - self._pinged >= PING_SECONDS
        if due:
            self._pinged = now
        return due


class MessageStream(asyncio.Protocol):
    """One end of a connection.

    ``on_message`` gets every message but pings and pongs, and must not block; ``BadStreamFrame``
    that it raises closes the connection. ``on_lost`` is called once, with the reason, when the
    connection has ended or is about to; nothing is received afterwards. ``most`` is the limit of a
    message that is received, ``most_answer`` that of an answer.
    """

    def __init__(
        self,
        on_message: Callable[[StreamMessage], None],
        on_lost: Callable[[str], None],
        most: int = MAX_MESSAGE,
        most_answer: int = MAX_MESSAGE,
    ) -> None:
        self._on_message = on_message
        self._on_lost: Callable[[str], None] | None = on_lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = FrameReader(most, most_answer)
        self._lanes = Lanes()
        self._is_paused = False
        self._is_finishing = False
        self._unanswered: int | None = None  # number of a ping
        self._liveness = Liveness(self._loop.time())
        self._timer: asyncio.TimerHandle | None = None
        self.delay: float | None = None  # seconds of the latest round trip of a ping

    @property
    def received(self) -> int:
        """Bytes of incomplete messages that were received."""
        return self._reader.size

    def accept(self, most: int) -> None:
        """Change the limit of a message that is received."""
        self._reader.most = most

    def send(self, kind: MessageKind, number: int, body: bytes, lane: SendLane) -> None:
        """Send or queue a message; ignored when the connection has ended. Raise ``ValueError`` for
        one that is too large.
        """
        if self._on_lost is None:
            return
        self._lanes.put(lane, kind, number, body)
        if self._lanes.size > MAX_WAITING:
            self.close("too much waits to be sent")
        self._write()

    def close(self, reason: str) -> None:
        """End the connection at once; what waits is not sent."""
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        self._lose(reason)

    def finish(self, reason: str) -> None:
        """End the connection when what waits was sent, if the other end reads it."""
        if self._on_lost is None:
            return
        self._is_finishing = True
        self._lose(reason)
        self._write()

    # --- called by the event loop -------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # what is in the buffer of the transport can no longer be overtaken
        self._transport.set_write_buffer_limits(high=MAX_BODY)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            with suppress(OSError):
                milliseconds = int(STALL_SECONDS * 1000)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        if self._on_lost is None and not self._is_finishing:
            self._transport.abort()
            return
        self._liveness = Liveness(self._loop.time())
        self._timer = self._loop.call_later(TICK_SECONDS, self._tick)
        self._write()

    def data_received(self, data: bytes) -> None:
        if self._on_lost is None:
            return
        self._liveness.heard(self._loop.time())
        try:
            for message in self._reader.feed(data):
                self._receive(message)
        except BadStreamFrame as error:
            self.close(f"the other end has broken the protocol: {error}")

    def pause_writing(self) -> None:
        self._is_paused = True
        self._liveness.blocked(self._loop.time())

    def resume_writing(self) -> None:
        self._is_paused = False
        self._liveness.blocked(None)
        if self._unanswered is not None:
            self._answer_ping(self._unanswered)
        self._write()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.close(f"the connection was lost: {exc}" if exc else "the other end has closed it")

    # --- the rest -----------------------------------------------------------------------------

    def _lose(self, reason: str) -> None:
        on_lost, self._on_lost = self._on_lost, None
        if on_lost is not None:
            on_lost(reason)

    def _receive(self, message: StreamMessage) -> None:
        if self._on_lost is None:
            return
        if message.kind is MessageKind.PING:
            self._answer_ping(message.number)
        elif message.kind is MessageKind.PONG:
            self.delay = (self._microseconds() - message.number) % _PINGED / 1e6
        else:
            self._on_message(message)

    def _answer_ping(self, number: int) -> None:
        """Answer now, or the latest one when the other end reads again."""
        self._unanswered = number if self._is_paused else None
        if not self._is_paused:
            self._lanes.put(SendLane.URGENT, MessageKind.PONG, number)
            self._write()

    def _write(self) -> None:
        if self._transport is None:
            return
        while self._lanes and not self._is_paused:
            self._transport.write(self._lanes.take(MAX_BODY))
        if self._is_finishing and not self._lanes:
            # later: asyncio closes a transport twice that is closed in ``resume_writing``
            self._loop.call_soon(self._transport.close)

    def _tick(self) -> None:
        now = self._loop.time()
        reason = self._liveness.tick(now)
        if reason:
            self.close(reason)
            return
        if self._liveness.is_ping_due(now):
            self._lanes.put(SendLane.URGENT, MessageKind.PING, self._microseconds())
            self._write()
        self._timer = self._loop.call_later(TICK_SECONDS, self._tick)

    def _microseconds(self) -> int:
        return int(self._loop.time() * 1e6) % _PINGED
