"""Frames in a stream: found in any pieces, looked into, dropped, passed on unchanged."""

from __future__ import annotations

import random
import struct
import time

import pytest

from fyke.browser.websocket import (
    MAX_READ,
    BadFrame,
    FrameStream,
    client_frame,
    read_head,
    rest_of_head,
    text_frame,
    unmasked,
)

CONT, TEXT, BINARY, CLOSE, PING = 0, 1, 2, 8, 9
MASK = b"\x12\x00\xff\x81"


def frame(payload: bytes, opcode: int = TEXT, *, fin: bool = True, mask: bool = True) -> bytes:
    """A frame by the standard, written byte by byte."""
    size, bit = len(payload), 0x80 if mask else 0
    if size < 126:
        length = bytes([bit | size])
    elif size < 2**16:
        length = struct.pack("!BH", bit | 126, size)
    else:
        length = struct.pack("!BQ", bit | 127, size)
    head = bytes([(0x80 if fin else 0) | opcode]) + length
    if not mask:
        return head + payload
    whole = MASK * (size // 4) + MASK[: size % 4]
    return head + MASK + bytes(byte ^ key for byte, key in zip(payload, whole, strict=True))


def in_pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 64, 4096, 10**6])
@pytest.mark.parametrize("mask", [True, False])
def test_messages_are_found_in_any_pieces(piece: int, mask: bool) -> None:
    sizes = (0, 1, 125, 126, 127, 65535, 3)
    messages = [random.Random(size).randbytes(size) for size in sizes]
    data = b"".join(frame(message, mask=mask) for message in messages)
    seen: list[bytes] = []
    stream = FrameStream(lambda payload: not seen.append(payload))
    assert b"".join(b"".join(stream.feed(part)) for part in in_pieces(data, piece)) == data
    assert seen == messages
    assert stream.between_messages


@pytest.mark.parametrize("piece", [1, 5, 10**6])
def test_a_refused_message_is_left_out(piece: int) -> None:
    kept = [frame(b"one"), frame(b"ping", PING), frame(b"three"), frame(b"x" * 70_000)]
    data = kept[0] + frame(b"drop this") + kept[1] + frame(b"drop that") + kept[2] + kept[3]
    stream = FrameStream(lambda payload: not payload.startswith(b"drop"))
    assert b"".join(b"".join(stream.feed(part)) for part in in_pieces(data, piece)) == b"".join(
        kept
    )


@pytest.mark.parametrize(
    "data",
    [
        frame(b"x" * (MAX_READ + 1)),
        frame(b"first", fin=False) + frame(b"second", CONT),
        frame(b"bytes", BINARY),
        frame(b"", CLOSE),
        bytes([0xC1, 0x85]) + b"mask" + b"12345",  # compressed
    ],
    ids=["large", "fragmented", "binary", "close", "compressed"],
)
def test_what_is_not_looked_into_passes_unchanged(data: bytes) -> None:
    stream = FrameStream(lambda payload: False)
    assert b"".join(stream.feed(data)) == data
    assert stream.between_messages


def test_a_large_frame_is_passed_on_before_it_is_whole() -> None:
    data = frame(b"x" * 10_000_000)
    stream = FrameStream(lambda payload: True)
    assert b"".join(stream.feed(data[:100])) == data[:100]
    assert not stream.between_messages
    assert b"".join(stream.feed(data[100:])) == data[100:]
    assert stream.between_messages


def test_nothing_of_ours_fits_into_a_fragmented_message() -> None:
    stream = FrameStream()
    stream.feed(frame(b"first", fin=False, mask=False))
    assert not stream.between_messages
    stream.feed(frame(b"ping", PING, mask=False))
    assert not stream.between_messages
    stream.feed(frame(b"last", CONT, mask=False))
    assert stream.between_messages


def test_half_a_head_is_no_place_between_messages() -> None:
    stream = FrameStream()
    assert stream.feed(frame(b"text", mask=False)[:1]) == []
    assert not stream.between_messages


def test_an_impossible_length_is_refused() -> None:
    with pytest.raises(BadFrame):
        FrameStream().feed(bytes([0x81, 127]) + b"\xff" * 8)


def test_a_message_in_single_bytes_takes_linear_time() -> None:
    """Joining what is held at each byte would take 64 KiB squared: 2 GB of copies."""
    data = frame(b"x" * MAX_READ)
    stream = FrameStream(lambda payload: True)
    started = time.process_time()
    for position in range(len(data)):
        stream.feed(data[position : position + 1])
    assert time.process_time() - started < 2
    assert stream.between_messages


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 125, 126, 65535, 65536, 70_000])
def test_our_own_frames(size: int) -> None:
    payload = random.Random(size).randbytes(size)
    assert text_frame(payload) == frame(payload, mask=False)
    for masked in (frame(payload), client_frame(payload)):
        head = read_head(masked, 0)
        assert head is not None
        first, is_masked, body_at, length = head
        assert (first, is_masked, length) == (0x81, True, size)
        assert body_at == 2 + rest_of_head(masked[1])
        assert unmasked(masked[body_at:], masked[body_at - 4 : body_at]) == payload
