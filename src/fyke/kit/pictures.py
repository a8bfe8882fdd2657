"""Kind and size of a picture by its head, without decoding it.

A few bytes can name a picture of gigapixels, which every viewer would have to decode, and an SVG
can contain scripts. So only four kinds are known here, and what they say of their size is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

_MAX_SEGMENTS = 1000  # of a JPEG before its frame
_NO_FRAME = frozenset({0xC4, 0xC8, 0xCC})  # tables among the marks of frames
_HEAD = 32  # bytes, in which the others than JPEG have their size


class PictureKind(StrEnum):
    """The kinds, as the ends of file names."""

    PNG = "png"
    JPEG = "jpg"
    GIF = "gif"
    WEBP = "webp"

    @property
    def media_type(self) -> str:
        return "image/jpeg" if self is PictureKind.JPEG else f"image/{self.value}"


class BadPicture(Exception):
    """It is no picture of these kinds; the text says so, without its subject."""


@dataclass(frozen=True, slots=True)
class PictureHead:
    """``width`` and ``height`` in pixels."""

    kind: PictureKind
    width: int
    height: int


def read_picture(data: bytes) -> PictureHead:
    """What the head of a picture says. Takes time linear in the bytes. Raise ``BadPicture``."""
    for kind, begin, size in _KINDS:
        if data.startswith(begin):
            found = size(data)
            if found is None or not all(found):
                break
            return PictureHead(kind, *found)
    raise BadPicture("must be a PNG, JPEG, GIF or WebP picture")


_Size = tuple[int, int] | None


def _png(data: bytes) -> _Size:
    if len(data) < _HEAD or data[8:16] != b"\0\0\0\x0dIHDR":
        return None
    return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])


def _gif(data: bytes) -> _Size:
    if len(data) < 14 or data[4:6] not in (b"7a", b"9a"):
        return None
    return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")


def _webp(data: bytes) -> _Size:
    if len(data) < _HEAD or data[8:12] != b"WEBP":
        return None
    match data[12:16]:
        case b"VP8 " if data[23:26] == b"\x9d\x01\x2a":
            width = int.from_bytes(data[26:28], "little")
            return width & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
        case b"VP8L" if data[20] == 0x2F:
            bits = int.from_bytes(data[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            width = int.from_bytes(data[24:27], "little") + 1
            return width, int.from_bytes(data[27:30], "little") + 1
    return None


def _jpeg(data: bytes) -> _Size:
    at = 2
    for _ in range(_MAX_SEGMENTS):
        head = data[at : at + 9]  # mark, kind, length, and of a frame precision and size
        if len(head) < 9 or head[0] != 0xFF:
            return None
        if 0xC0 <= head[1] <= 0xCF and head[1] not in _NO_FRAME:
            return int.from_bytes(head[7:9]), int.from_bytes(head[5:7])
        length = int.from_bytes(head[2:4])
        if length < 2 or head[1] in (0xD8, 0xD9, 0xDA):
            return None
        at += 2 + length
    return None


_KINDS: tuple[tuple[PictureKind, bytes, Callable[[bytes], _Size]], ...] = (
    (PictureKind.PNG, b"\x89PNG\r\n\x1a\n", _png),
    (PictureKind.JPEG, b"\xff\xd8\xff", _jpeg),
    (PictureKind.GIF, b"GIF8", _gif),
    (PictureKind.WEBP, b"RIFF", _webp),
)
