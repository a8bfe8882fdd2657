"""A connection that receives hostile bytes: every violation ends it, and nothing else happens."""

from __future__ import annotations

import asyncio
import tracemalloc

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fyke.sdk import frames
from fyke.sdk.frames import frame
from support.examples import examples
from support.h2_wire import BODY, HEADER, START, call, connect, serve_pieces, turns

pytestmark = pytest.mark.anyio


async def test_a_call_may_arrive_at_once_or_byte_by_byte() -> None:
    connection, wire, server = connect()
    connection.data_received(START + call(1))
    for at in range(len(call(3))):
        connection.data_received(call(3)[at : at + 1])
    await turns()
    replies = [(stream, body) for kind, _, stream, body in wire.frames() if kind == 0]
    assert replies == [(1, BODY), (3, BODY)]
    assert wire.goaway is None
    assert server._open_streams == 0


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 1),
        (frames.PREFACE + frame(6, 0, 0, b"x" * 8), 1),  # no SETTINGS first
        (START + b"\x00\x40\x01" + b"\x00" * 6, 6),  # a frame of 16385 bytes
        (START + frame(0, 0, 1, b"x"), 1),  # DATA on a stream never opened
        (START + frame(0, 0, 0, b"x"), 1),
        (START + frame(1, 4, 2, HEADER), 1),  # an even stream
        (START + frame(1, 4, 0, HEADER), 1),
        (START + call(5) + call(3), 1),  # a lower stream
        (START + frame(1, 4, 1, HEADER) * 2, 1),  # HEADERS twice
        (START + frame(1, 4, 1, b"\xff\xff\xff\xff\xff\xff"), 9),  # broken HPACK
        (START + frame(1, 4, 1, b"\x80"), 9),
        (START + frame(1, 4, 1, b"\x3f\xe1\xff\xff\x7f"), 9),  # a table of 256 MB
        (START + frame(1, 12, 1, b"\x05abc"), 1),  # more padding than there is
        (START + frame(1, 12, 1), 1),
        (START + frame(1, 0x24, 1, b"abc"), 6),  # priority cut off
        (START + frame(1, 0, 1, HEADER) + frame(6, 0, 0, b"x" * 8), 1),  # block interrupted
        (START + frame(9, 4, 1, HEADER), 1),  # CONTINUATION without HEADERS
        (START + frame(1, 0, 1, b"x" * 16_000) + frame(9, 0, 1, b"x" * 16_000) * 4, 11),
        (START + frame(4, 0, 1), 1),
        (START + frame(4, 1, 0, b"123456"), 1),
        (START + frame(4, 0, 0, b"12345"), 6),
        (START + frames.settings({4: 2**31}), 3),
        (START + frames.settings({5: 100}), 1),
        (START + frame(6, 0, 1, b"x" * 8), 1),
        (START + frame(6, 0, 0, b"x" * 7), 6),
        (START + frame(8, 0, 0, b"x" * 3), 6),
        (START + frames.window_update(0, 0), 1),
        (START + frames.window_update(9, 1), 1),
        (START + frames.window_update(0, 2**31 - 1), 3),
        (START + frame(3, 0, 1, b"1234"), 1),
        (START + frame(3, 0, 0, b"1234"), 1),
        (START + frame(3, 0, 1, b"123"), 6),
        (START + frame(2, 0, 1, b"1234"), 6),
        (START + frame(5, 4, 1, b"1234"), 1),
        (START + frame(1, 4, 1, HEADER) + frame(0, 0, 1, b"\0\0\0\1\0" + b"x" * 16_000) * 5, 3),
    ],
)
async def test_a_violation_ends_the_connection(data: bytes, code: int) -> None:
    connection, wire, server = connect()
    connection.data_received(data)
    await turns()
    assert wire.goaway == code
    assert wire.closed
    connection.data_received(call(9))
    connection.connection_lost(None)
    assert server._open_streams == 0
    assert not server._connections


@pytest.mark.parametrize(
    "data",
    [
        frame(2, 0, 1, b"12345"),  # PRIORITY
        frame(77, 255, 9, b"unknown"),
        frame(6, 1, 0, b"x" * 8),  # the answer to a PING that was never sent
        frame(7, 0, 0, b"x" * 8),  # the client's GOAWAY
        frame(4, 1, 0),
        frames.settings({1: 0, 2: 0, 3: 5, 4: 100_000, 5: 20_000, 6: 9, 99: 1}),
        frame(1, 0x2C, 1, b"\x03" + b"12345" + HEADER + b"pad")
        + frame(0, 9, 1, b"\x02" + BODY + b"pp"),
        call(1) + frame(0, 0, 1, b"late") + frame(3, 0, 1, b"1234") + frames.window_update(1, 5),
        frame(1, 0, 1, HEADER[:2])
        + frame(9, 0, 1)
        + frame(9, 4, 1, HEADER[2:])
        + frame(0, 1, 1, BODY),
    ],
)
async def test_allowed_frames_do_not_disturb_a_call(data: bytes) -> None:
    connection, wire, server = connect()
    connection.data_received(START + data + call(11))
    await turns()
    assert wire.goaway is None
    assert (0, 0, 11, BODY) in wire.frames()
    assert server._open_streams == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", b"13"),
        (b"\x00\x00", b"13"),
        (b"\x00\x00\x00\x00\x05abc", b"13"),
        (b"\x00\x00\x00\x00\x01abc", b"13"),
        (b"\x01\x00\x00\x00\x01a", b"12"),
        (b"\x00\x7f\x00\x00\x00a", b"8"),
    ],
)
async def test_a_malformed_message_fails_only_its_call(body: bytes, status: bytes) -> None:
    connection, wire, server = connect()
    connection.data_received(START + frame(1, 4, 1, HEADER) + frame(0, 1, 1, body) + call(3))
    await turns()
    (failed,) = [payload for kind, _, stream, payload in wire.frames() if (kind, stream) == (1, 1)]
    assert dict(hpack.Decoder().decode(failed, raw=True))[b"grpc-status"] == status
    assert (0, 0, 3, BODY) in wire.frames()
    assert server._open_streams == 0


async def test_a_header_bomb_is_refused() -> None:
    encoder = hpack.Encoder()
    fill = encoder.encode([(b"x", b"y" * 4000)], huffman=False)
    connection, wire, _ = connect()
    connection.data_received(START + frame(1, 4, 1, fill + b"\xbe" * 12_000))
    await turns()
    assert wire.goaway == 9


async def test_a_flood_of_pings_is_no_longer_read() -> None:
    connection, wire, _ = connect()
    connection.data_received(START + frame(6, 0, 0, b"x" * 8) * 20_000)
    await turns(200)
    assert not wire.reading
    answered = sum(kind == 6 for kind, *_ in wire.frames())
    assert 1900 < answered < 2200
    connection.connection_lost(None)


async def test_the_calls_of_one_turn_are_limited_and_the_others_follow() -> None:
    connection, wire, _ = connect()
    connection.data_received(START + b"".join(call(1 + 2 * i) for i in range(500)))
    first = sum(kind == 0 for kind, *_ in wire.frames())
    assert first < 60  # none at all where tasks cannot start at once (before Python 3.12)
    assert not wire.reading
    await turns(200)
    assert sum(kind == 0 for kind, *_ in wire.frames()) == 500
    assert wire.reading


async def test_requests_of_a_client_that_does_not_read_are_not_read() -> None:
    connection, wire, _ = connect()
    connection.data_received(START + call(1))
    connection.pause_writing()
    connection.data_received(call(3))
    await turns()
    assert not wire.reading
    assert [stream for kind, _, stream, _ in wire.frames() if kind == 0] == [1]
    connection.resume_writing()
    await turns()
    assert wire.reading
    assert [stream for kind, _, stream, _ in wire.frames() if kind == 0] == [1, 3]


async def test_too_many_unread_replies_end_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fyke.sdk.sender.UNREAD_BYTES", 100)
    connection, wire, server = connect()
    connection.data_received(START + frames.settings({4: 0}) + b"".join(map(call, range(1, 60, 2))))
    await turns()
    assert wire.goaway == frames.ENHANCE_YOUR_CALM
    connection.connection_lost(None)
    assert server._open_streams == 0


async def test_large_messages_are_granted_a_window() -> None:
    connection, wire, server = connect()
    await turns()
    head = b"\x00" + (70_000).to_bytes(4, "big")
    for stream in (1, 3, 5):
        connection.data_received(
            (START if stream == 1 else b"")
            + frame(1, 4, stream, HEADER)
            + frame(0, 0, stream, head)
        )
    await turns()
    granted = [s for kind, _, s, _ in wire.frames() if kind == 8 and s]
    assert granted == [1, 3, 5]
    connection.connection_lost(None)
    assert server.admission._used == 0


# --- fuzz --------------------------------------------------------------------------------

some_frame = st.builds(
    frame,
    st.integers(0, 10),
    st.sampled_from([0, 1, 4, 5, 8, 9, 12, 32, 37, 45, 255]),
    st.sampled_from([0, 1, 3, 5, 7, 2, 2**31 - 1, 2**32 - 1]),
    st.binary(max_size=40)
    | st.sampled_from([HEADER, BODY, b"\0\0\0\0", b"\0\0\0\1", b"\x7f\xff\xff\xff", b"x" * 8])
    | st.sampled_from(
        [b"\0\4\0\0\0\0", b"\0\4\x7f\xff\xff\xff", b"\0\5\0\0\0\0", b"\0\0\xff\xff\xff"]
    ),
)
hostile = st.lists(some_frame | st.integers(0, 20).map(lambda i: call(2 * i + 1)), max_size=40)


def attack(pieces: list[bytes], cut: int, raw: bytes) -> None:
    data = START + b"".join(pieces) + raw
    serve_pieces([data[at : at + cut] for at in range(0, len(data), cut)])


@examples(400, deadline=2000)
@given(hostile, st.integers(1, 300), st.binary(max_size=50))
def test_hostile_frames_leave_no_state(pieces: list[bytes], cut: int, raw: bytes) -> None:
    attack(pieces, cut, raw)


@pytest.mark.long
@pytest.mark.timeout(900)
@settings(max_examples=10_000, deadline=5000)
@given(hostile, st.integers(1, 300), st.binary(max_size=50))
def test_ten_thousand_hostile_connections_leave_no_state(
    pieces: list[bytes], cut: int, raw: bytes
) -> None:
    attack(pieces, cut, raw)


def feed_block(block: bytes) -> None:
    async def run() -> None:
        connection, wire, server = connect()
        connection.data_received(START + frame(1, 5, 1, block) + frame(1, 5, 3, block))
        await turns(2)
        assert wire.goaway in (None, 1, 9)
        connection.connection_lost(None)
        assert server._open_streams == 0

    asyncio.run(run())


@examples(400, deadline=2000)
@given(st.binary(max_size=300))
def test_hostile_header_blocks_leave_no_state(block: bytes) -> None:
    feed_block(block)


@pytest.mark.long
@pytest.mark.timeout(900)
@settings(max_examples=10_000, deadline=5000)
@given(st.binary(max_size=2000))
def test_ten_thousand_hostile_header_blocks_leave_no_state(block: bytes) -> None:
    feed_block(block)


def test_hostile_connections_leak_no_memory() -> None:
    pieces = [call(1), frame(1, 4, 3, HEADER), frame(0, 0, 3, b"\0\0\1\0\0" + b"x" * 9000)]
    attack(pieces, 1000, b"")
    tracemalloc.start()
    for _ in range(50):
        attack(pieces, 1000, b"")
    current, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert current < 2_000_000
    assert peak < 8_000_000
