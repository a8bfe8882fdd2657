"""Heads of pictures with a size, for tests of what reads no more of them."""

from __future__ import annotations

import struct


def png(width: int, height: int, rest: bytes = bytes(20)) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + struct.pack(">II", width, height) + rest


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(20)


def jpeg_head(width: int, height: int, *, frame: int = 0xC0) -> bytes:
    size = struct.pack(">HH", height, width)
    return b"\xff\xd8\xff\xe0\0\x04ab\xff" + bytes([frame]) + b"\0\x11\x08" + size + bytes(12)


def webp(width: int, height: int, chunk: bytes) -> bytes:
    match chunk:
        case b"VP8 ":
            body = b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height)
        case b"VP8L":
            body = b"\x2f" + struct.pack("<I", width - 1 | height - 1 << 14)
        case _:
            sides = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
            body = bytes(4) + sides
    return b"RIFF\x40\0\0\0WEBP" + chunk + b"\x10\0\0\0" + body + bytes(20)
