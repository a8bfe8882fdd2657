"""Kind and size of pictures by their heads."""

from __future__ import annotations

import struct

import pytest

from fyke.kit.pictures import BadPicture, PictureHead, PictureKind, read_picture
from support.heads import gif, jpeg_head, png, webp


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (png(300, 40), PictureKind.PNG),
        (gif(300, 40), PictureKind.GIF),
        (jpeg_head(300, 40), PictureKind.JPEG),
        (jpeg_head(300, 40, frame=0xC2), PictureKind.JPEG),  # progressive
        (webp(300, 40, b"VP8 "), PictureKind.WEBP),
        (webp(300, 40, b"VP8L"), PictureKind.WEBP),
        (webp(300, 40, b"VP8X"), PictureKind.WEBP),
    ],
)
def test_kind_and_size_are_read(data: bytes, kind: PictureKind) -> None:
    assert read_picture(data) == PictureHead(kind, 300, 40)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
        b"GIF8",
        b"\x89PNG\r\n\x1a\n" + bytes(40),
        png(0, 5),
        gif(5, 0),
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xda\0\x08" + bytes(20),  # a scan without a frame
        b"\xff\xd8" + b"\xff\xe0\0\x02" * 2000,
        b"RIFF" + struct.pack("<I", 30) + b"WAVE" + bytes(30),
        webp(1, 1, b"ALPH"),
        b"BM" + bytes(60),
    ],
)
def test_everything_else_is_refused(data: bytes) -> None:
    with pytest.raises(BadPicture, match="must be a PNG, JPEG, GIF or WebP"):
        read_picture(data)


def test_kinds_have_media_types() -> None:
    types = [kind.media_type for kind in PictureKind]
    assert types == ["image/png", "image/jpeg", "image/gif", "image/webp"]
