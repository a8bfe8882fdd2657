"""Which pictures are read, and which size is found in them."""

from __future__ import annotations

import pytest

from fyke.kit.jpeg import BadJpeg, JpegLimit, JpegTooLarge, jpeg_size
from support.jpegs import SCAN, frame, jpeg, segment

BEGIN = b"\xff\xd8"
TABLE = segment(0xDB, bytes(65))
COMMENT = segment(0xFE, frame(1, 1))
PROFILE = segment(0xE2, b"ICC_PROFILE" + bytes(500))


@pytest.mark.parametrize(
    "head", [TABLE, COMMENT + TABLE, PROFILE * 90, segment(0xDD, b"\x00\x01"), segment(0xEE, b"")]
)
def test_the_size_is_that_of_the_frame(head: bytes) -> None:
    assert jpeg_size(BEGIN + head + frame(1280, 333) + SCAN) == (1280, 333)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg>",
        BEGIN + b"\xff",
        jpeg("")[:30],  # ends before the frame
        BEGIN + frame(0, 600) + SCAN,
        BEGIN + frame(800, 0) + SCAN,  # the height follows after the picture
        BEGIN + frame(800, 600, 0xC2) + SCAN,  # progressive: many scans
        BEGIN + frame(800, 600, 0xC3) + SCAN,
        BEGIN + frame(800, 600),
        BEGIN + frame(800, 600) + SCAN * 2,
        BEGIN + b"\xff" + frame(800, 600) + SCAN,  # one more byte between
        BEGIN + b"\xff\xd0" + frame(800, 600) + SCAN,  # a mark without a length
        BEGIN + b"\xff\xe0\x00\x01" + frame(800, 600) + SCAN,
        BEGIN + b"\xff\xe0\xff\xff" + frame(800, 600) + SCAN,  # beyond the end
        BEGIN + segment(0xE0, b"") * 200 + frame(800, 600) + SCAN,
    ],
)
def test_what_another_decoder_may_read_differently_is_refused(data: bytes) -> None:
    with pytest.raises(BadJpeg, match="is no JPEG"):
        jpeg_size(data)


@pytest.mark.parametrize("size", [(1281, 1), (1, 801), (65535, 65535), (1200, 800)])
def test_a_large_picture_is_refused_with_its_size(size: tuple[int, int]) -> None:
    limit = JpegLimit(1280, 800, 900_000)
    with pytest.raises(JpegTooLarge, match=f"has {size[0]} x {size[1]} pixels"):
        limit.check(jpeg("", *size))
    limit.check(jpeg("", 1280, 700))
    with pytest.raises(BadJpeg):
        limit.check(b"GIF89a")
