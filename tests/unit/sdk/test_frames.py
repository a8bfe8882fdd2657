"""Frames, read by another implementation."""

from __future__ import annotations

from urllib.parse import unquote

import hpack
import pytest
from hyperframe.frame import Frame
from hypothesis import given
from hypothesis import strategies as st

from fyke.sdk import frames


def read(data: bytes) -> list[Frame]:
    parsed = []
    while data:
        frame, size = Frame.parse_frame_header(memoryview(data[:9]))
        frame.parse_body(memoryview(data[9 : 9 + size]))
        parsed.append(frame)
        data = data[9 + size :]
    return parsed


@given(st.binary(max_size=16_384))
def test_a_short_reply_is_three_frames(body: bytes) -> None:
    start, data, end = read(frames.short_reply(7, body))
    assert dict(hpack.Decoder().decode(start.data)) == {
        ":status": "200",
        "content-type": "application/grpc",
    }
    assert (data.data, data.flags) == (body, set())
    assert hpack.Decoder().decode(end.data) == [("grpc-status", "0")]
    assert "END_STREAM" in end.flags


@pytest.mark.parametrize("message", ["", "short", "x" * 126, "x" * 127, "ü%\n" * 50, "x" * 400])
def test_an_error_reply_contains_its_message(message: str) -> None:
    (frame,) = read(frames.error_reply(9, 8, message))
    trailers = dict(hpack.Decoder().decode(frame.data))
    assert (trailers["grpc-status"], unquote(trailers["grpc-message"])) == ("8", message)
    assert {"END_STREAM", "END_HEADERS"} <= set(frame.flags)


def test_control_frames_are_encoded() -> None:
    (settings,) = read(frames.settings({3: 1000, 4: 65_535}))
    assert settings.settings == {3: 1000, 4: 65_535}
    (window,) = read(frames.window_update(5, 77))
    assert (window.stream_id, window.window_increment) == (5, 77)
    (reset,) = read(frames.reset(5, 7))
    assert (reset.stream_id, reset.error_code) == (5, 7)
    (goodbye,) = read(frames.goaway(5, 1, "why"))
    assert (goodbye.last_stream_id, goodbye.error_code, goodbye.additional_data) == (5, 1, b"why")


def test_padding_is_removed_and_checked() -> None:
    assert frames.unpadded(0, b"abc") == b"abc"
    assert frames.unpadded(frames.PADDED, b"\x01ab") == b"a"
    assert frames.unpadded(frames.PADDED, b"\x00ab") == b"ab"
    for broken in (b"", b"\x01", b"\x05abc"):
        with pytest.raises(frames.ProtocolError):
            frames.unpadded(frames.PADDED, broken)
