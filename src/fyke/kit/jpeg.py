"""The size of a JPEG by its head, for pictures that come from a process that may be hostile.

A few bytes can name a picture of gigapixels, which the viewer would have to decode. So what is not
as Chromium writes it is refused: a baseline picture with one scan, whose head has only segments
with a length. With those, all decoders read the same size.
"""

from __future__ import annotations

from dataclasses import dataclass

BEGIN = b"\xff\xd8\xff"
_MAX_SEGMENTS = 100  # before the frame; Chromium writes about eight
_BASELINE = 0xC0
_SCAN = b"\xff\xda"
# quantization, Huffman tables, restart interval, comment, application data
_SKIPPED = frozenset({0xDB, 0xC4, 0xDD, 0xFE, *range(0xE0, 0xF0)})


class BadJpeg(Exception):
    """A picture is not shown; the text says why, without its subject."""


class JpegTooLarge(BadJpeg):
    """It has more pixels than allowed."""


@dataclass(frozen=True, slots=True)
class JpegLimit:
    """How large a picture may be, in pixels."""

    width: int
    height: int
    pixels: int

    def check(self, data: bytes) -> None:
        """Raise ``JpegTooLarge`` for a larger picture, ``BadJpeg`` for what is none."""
        width, height = jpeg_size(data)
        if width > self.width or height > self.height or width * height > self.pixels:
            raise JpegTooLarge(f"has {width} x {height} pixels, which is too large")


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels. Takes time linear in the bytes. Raise ``BadJpeg``."""
    if not data.startswith(BEGIN):
        raise BadJpeg("is no JPEG")
    at = 2
    for _ in range(_MAX_SEGMENTS):
        head = data[at : at + 9]  # mark, kind, length, and of a frame precision and size
        if len(head) < 9 or head[0] != 0xFF:
            break
        if head[1] == _BASELINE:
            height, width = int.from_bytes(head[5:7]), int.from_bytes(head[7:9])
            if not width or not height or data.count(_SCAN, at) != 1:
                break
            return width, height
        length = int.from_bytes(head[2:4])
        if head[1] not in _SKIPPED or length < 2:
            break
        at += 2 + length
    raise BadJpeg("is no JPEG as Chromium writes it")
