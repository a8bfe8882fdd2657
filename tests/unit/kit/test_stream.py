"""Streams between two ends: pings, silence, peers that do not read, and the end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fyke.kit import stream
from fyke.kit.stream import Liveness, MessageStream
from fyke.kit.stream_frames import MAX_BODY, MessageKind, SendLane, StreamMessage
from support.egress import until

pytestmark = pytest.mark.anyio

NOTICE, BULK, CONTROL = MessageKind.NOTICE, SendLane.BULK, SendLane.CONTROL


class End:
    """One end, and what it got."""

    def __init__(self) -> None:
        self.messages: list[StreamMessage] = []
        self.received: list[int] = []  # bytes of other messages when each was complete
        self.losses: list[str] = []
        self.stream = MessageStream(self._on_message, self.losses.append)

    def _on_message(self, message: StreamMessage) -> None:
        self.messages.append(message)
        self.received.append(self.stream.received)

    async def connect(self, sock: socket.socket) -> End:
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self.stream, sock=sock)
        return self


@asynccontextmanager
async def ends() -> AsyncIterator[tuple[End, End]]:
    one, other = [await End().connect(sock) for sock in socket.socketpair()]
    try:
        yield one, other
    finally:
        one.stream.close("over")
        other.stream.close("over")


async def test_messages_arrive_in_the_order_of_their_lane() -> None:
    async with ends() as (one, other):
        sizes = [0, 5, MAX_BODY, 5 * MAX_BODY, 1]
        for number, size in enumerate(sizes):
            one.stream.send(NOTICE, number, bytes(size), BULK)
            other.stream.send(NOTICE, number, bytes(size), CONTROL)
        await until(lambda: len(one.messages) == len(other.messages) == len(sizes))
        for end in (one, other):
            assert [len(message.body) for message in end.messages] == sizes


async def test_a_small_message_overtakes_16_mib_of_rows() -> None:
    async with ends() as (one, other):
        one.stream.send(NOTICE, 1, bytes(16 * 2**20), BULK)
        one.stream.send(NOTICE, 2, b"renew", CONTROL)
        await until(lambda: len(other.messages) == 2)
        assert other.messages[0] == StreamMessage(NOTICE, 2, b"renew")
        # what left before it: the buffers of the socket and of the transport
        assert other.received[0] < 2 * 2**20


async def test_both_ends_learn_of_the_end_once() -> None:
    async with ends() as (one, other):
        one.stream.close("enough")
        one.stream.close("twice")
        await until(lambda: bool(other.losses))
        assert one.losses == ["enough"]
        assert other.losses == ["the other end has closed it"]
        one.stream.send(NOTICE, 1, b"late", CONTROL)
        assert other.messages == []


async def test_finish_sends_what_waits() -> None:
    async with ends() as (one, other):
        one.stream.send(NOTICE, 1, bytes(8 * 2**20), BULK)
        one.stream.finish("enough")
        assert one.losses == ["enough"]
        one.stream.send(NOTICE, 2, b"late", CONTROL)
        await until(lambda: bool(other.losses))
        assert [len(message.body) for message in other.messages] == [8 * 2**20]


async def test_a_broken_rule_closes_the_connection() -> None:
    mine, theirs = socket.socketpair()
    end = await End().connect(mine)
    theirs.sendall(bytes(13))
    await until(lambda: bool(end.losses))
    assert end.losses == ["the other end has broken the protocol: there is no frame of kind 0"]
    theirs.close()


async def test_pings_are_answered_and_measure_the_delay(monkeypatch: Any) -> None:
    monkeypatch.setattr(stream, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(stream, "PING_SECONDS", 0.01)
    async with ends() as (one, other):
        await until(lambda: one.stream.delay is not None and other.stream.delay is not None)
        assert one.stream.delay is not None and 0 <= one.stream.delay < 10
        assert one.messages == other.messages == []


async def test_pings_of_a_peer_that_does_not_read_fill_no_memory() -> None:
    end = End()
    written: list[bytes] = []

    class Transport(asyncio.Transport):
        def write(self, data: Any) -> None:
            written.append(bytes(data))

        def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
            assert high is not None and high <= MAX_BODY

        def abort(self) -> None:
            return

    end.stream.connection_made(Transport())
    end.stream.pause_writing()
    for number in range(1000):
        end.stream.data_received(b"\0\0\0\0\x05" + number.to_bytes(8))
    assert written == []
    end.stream.resume_writing()
    assert written == [b"\0\0\0\0\x06" + (999).to_bytes(8)]
    end.stream.close("over")


async def test_what_waits_is_limited(monkeypatch: Any) -> None:
    monkeypatch.setattr(stream, "MAX_WAITING", 100_000)
    mine, theirs = socket.socketpair()
    end = await End().connect(mine)
    end.stream.pause_writing()
    end.stream.send(NOTICE, 1, bytes(90_000), BULK)
    assert end.losses == []
    end.stream.send(NOTICE, 2, bytes(10_000), BULK)
    assert end.losses == ["too much waits to be sent"]
    theirs.close()


def test_a_silent_peer_is_gone_after_six_seconds() -> None:
    liveness = Liveness(100.0)
    for now in range(101, 107):
        assert liveness.tick(now) == ""
    assert liveness.tick(106.5) == "nothing was received for 6 s"
    liveness.heard(106.6)
    assert liveness.tick(107) == ""


def test_a_peer_that_does_not_read_is_gone_after_eight_seconds() -> None:
    liveness = Liveness(100.0)
    liveness.blocked(101.0)
    for now in range(101, 110):
        liveness.heard(now)
        assert liveness.tick(now) == ""
    liveness.heard(110)
    assert liveness.tick(109.5) == "the other end has read nothing for 8 s"
    liveness.blocked(None)
    assert liveness.tick(110) == ""


def test_a_pause_of_this_process_is_no_silence_of_the_other() -> None:
    liveness = Liveness(100.0)
    liveness.blocked(100.0)
    assert liveness.tick(101) == ""
    assert liveness.tick(160) == ""
    for now in range(161, 167):
        assert liveness.tick(now) == ""
    assert liveness.tick(167) == "nothing was received for 6 s"


def test_a_ping_is_due_every_two_seconds() -> None:
    liveness = Liveness(100.0)
    due = [liveness.is_ping_due(100.0 + half / 2) for half in range(1, 9)]
    assert due == [False, False, False, True, False, False, False, True]
