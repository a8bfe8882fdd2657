"""Frames carry values between processes."""

from __future__ import annotations

import io

import pytest

from fyke.parsing.frames import HEAD, ReplyKind, decode, encode, read


def test_frames_are_read_in_order_until_the_end() -> None:
    values = [(ReplyKind.ITEM, {"a": [1, None]}), (ReplyKind.RESULT, b"x" * 100_000)]
    source = io.BytesIO(b"".join(map(encode, values)))
    assert [read(source), read(source)] == values
    with pytest.raises(EOFError):
        read(source)


def test_the_head_is_the_length_of_the_data() -> None:
    frame = encode("text")
    assert int.from_bytes(frame[:HEAD], "big") == len(frame) - HEAD
    assert decode(frame[HEAD:]) == "text"
