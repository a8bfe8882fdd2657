"""Replies within the client's windows and our limits."""

from __future__ import annotations

import asyncio

import pytest

from fyke.sdk import frames, sender
from fyke.sdk.frames import FRAME_BYTES, MAX_WINDOW, ProtocolError
from fyke.sdk.sender import CallReply, Sender
from support.h2_wire import Wire, turns

pytestmark = pytest.mark.anyio


class Setup:
    def __init__(self, *streams: int) -> None:
        self.wire = Wire()
        self.sent: list[int] = []
        self.sender = Sender(asyncio.get_running_loop(), self.wire, self.sent.append)
        for stream in streams:
            self.sender.open(stream)

    def data(self, stream: int) -> bytes:
        return b"".join(
            body for kind, _, of, body in self.wire.frames() if (kind, of) == (frames.DATA, stream)
        )

    def ended(self, stream: int) -> bool:
        return any(of == stream and flags & 1 for _, flags, of, _ in self.wire.frames())


def message(body: bytes) -> bytes:
    return b"\x00" + len(body).to_bytes(4, "big") + body


def test_a_reply_is_taken_in_pieces_of_any_size() -> None:
    for size in (1, 3, 5, 6, 100):
        reply, taken = CallReply(1, b"hello world"), b""
        while reply.remaining:
            taken += reply.take(min(size, reply.remaining))
        assert taken == message(b"hello world")


async def test_replies_of_one_turn_of_the_loop_are_written_at_once() -> None:
    setup = Setup(1, 3)
    setup.sender.reply(1, b"a")
    setup.sender.error(3, 5, "no such call")
    assert setup.wire.sent == b"" and setup.sent == [1, 3]
    await turns(1)
    assert (setup.data(1), setup.ended(1), setup.ended(3)) == (message(b"a"), True, True)
    assert b"no such call" in setup.wire.sent


async def test_a_large_reply_is_sent_as_the_windows_open() -> None:
    setup, body = Setup(1), bytes(frames.DEFAULT_WINDOW)
    setup.sender.reply(1, body)
    await turns(2)
    assert len(setup.data(1)) == frames.DEFAULT_WINDOW
    setup.sender.increase_window(0, 5)
    await turns(2)
    assert len(setup.data(1)) == frames.DEFAULT_WINDOW  # the stream's window is still closed
    setup.sender.increase_window(1, 5)
    await turns(2)
    assert setup.data(1) == message(body) and setup.sent == [1] and setup.ended(1)
    assert max(len(part) for _, _, _, part in setup.wire.frames()) == FRAME_BYTES


async def test_a_stream_with_a_closed_window_does_not_delay_another() -> None:
    setup = Setup()
    setup.sender.set_initial_window(10)
    setup.sender.open(1)
    setup.sender.open(3)
    setup.sender.increase_window(3, 100)
    setup.sender.reply(1, bytes(50))
    setup.sender.reply(3, bytes(50))
    await turns(2)
    assert (setup.sent, len(setup.data(1)), len(setup.data(3))) == ([3], 10, 55)


async def test_a_smaller_initial_window_may_make_a_window_negative() -> None:
    setup = Setup(1)
    setup.sender.reply(1, bytes(70_000))
    await turns(2)
    before = len(setup.data(1))
    setup.sender.set_initial_window(1000)
    setup.sender.increase_window(0, 100_000)
    setup.sender.increase_window(1, frames.DEFAULT_WINDOW - 1000)
    await turns(2)
    assert len(setup.data(1)) == before  # the window is back at zero
    setup.sender.increase_window(1, 7)
    await turns(2)
    assert len(setup.data(1)) == before + 7


async def test_a_window_beyond_its_limit_is_a_violation() -> None:
    setup = Setup(1)
    setup.sender.increase_window(0, MAX_WINDOW - frames.DEFAULT_WINDOW)
    for stream in (0, 1):
        with pytest.raises(ProtocolError) as broken:
            setup.sender.increase_window(stream, MAX_WINDOW - frames.DEFAULT_WINDOW + 1)
        assert broken.value.code == frames.FLOW_CONTROL_ERROR
    setup.sender.increase_window(7, MAX_WINDOW)  # of a closed stream: ignored


async def test_a_large_reply_waits_while_the_socket_is_full() -> None:
    setup = Setup(1)
    setup.sender.writable = False
    setup.sender.reply(1, bytes(20_000))
    await turns(2)
    assert setup.data(1) == b""
    setup.sender.writable = True
    setup.sender.flush()
    assert len(setup.data(1)) == 20_005


async def test_the_bytes_of_unread_replies_are_limited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sender, "UNREAD_BYTES", 100_000)
    setup = Setup(1, 3, 5)
    setup.sender.set_initial_window(0)
    setup.sender.reply(1, bytes(60_000))
    setup.sender.drop(1)
    setup.sender.reply(3, bytes(60_000))
    with pytest.raises(ProtocolError, match="unread") as broken:
        setup.sender.reply(5, bytes(60_000))
    assert broken.value.code == frames.ENHANCE_YOUR_CALM


async def test_one_flush_sends_at_most_a_burst_and_the_next_turn_continues(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sender, "BURST_BYTES", FRAME_BYTES)
    setup = Setup(1, 3)
    for stream in (1, 3):
        setup.sender.reply(stream, bytes(20_000))
    setup.sender.flush()
    assert (len(setup.data(1)), len(setup.data(3))) == (FRAME_BYTES, 0)
    await turns(6)
    assert sorted(setup.sent) == [1, 3]


async def test_a_corked_sender_writes_on_flush_unless_the_transport_is_closing() -> None:
    setup = Setup(1)
    setup.sender.cork()
    setup.sender.reply(1, b"a")
    await turns(2)
    assert setup.wire.sent == b""
    setup.wire.closed = True
    setup.sender.flush()
    assert setup.wire.sent == b""
