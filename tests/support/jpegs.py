"""JPEGs by their heads; what they show cannot be drawn."""

from __future__ import annotations


def segment(kind: int, content: bytes) -> bytes:
    return bytes([0xFF, kind]) + (len(content) + 2).to_bytes(2) + content


def frame(width: int, height: int, kind: int = 0xC0) -> bytes:
    """The segment with the size of a picture."""
    return segment(kind, b"\x08" + height.to_bytes(2) + width.to_bytes(2) + b"\x01\x01\x11\x00")


SCAN = segment(0xDA, b"\x01\x01\x00\x00\x3f\x00")


def jpeg(text: str, width: int = 800, height: int = 600) -> bytes:
    """A head as Chromium writes it, with a text in place of what is drawn."""
    tables = segment(0xDB, bytes(65)) + segment(0xC4, bytes(17))
    head = b"\xff\xd8" + segment(0xE0, b"JFIF\x00" + bytes(9)) + tables
    return head + frame(width, height) + SCAN + text.encode() + b"\xff\xd9"
