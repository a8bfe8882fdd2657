"""The start of a receiver's response, as printable text."""

from __future__ import annotations

import re

KEPT_BYTES = 2048
KEPT_CHARACTERS = 1000
_CHUNKED = re.compile(rb"^transfer-encoding:.*\bchunked\b", re.IGNORECASE | re.MULTILINE)
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[^\r\n]{0,200}\r\n")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def response_start(head: bytes, body: bytes) -> str:
    """The first ``KEPT_CHARACTERS`` of ``body``; invalid UTF-8 and control characters become
    U+FFFD."""
    data = _join_chunks(body) if _CHUNKED.search(head) else body
    text = data[:KEPT_BYTES].decode("utf-8", "replace")[:KEPT_CHARACTERS]
    return _CONTROL.sub("\ufffd", text.replace("\r\n", "\n")).strip()


def _join_chunks(body: bytes) -> bytes:
    """The data of the chunks, as far as they are complete in ``body``."""
    content, at = b"", 0
    while (size := _SIZE.match(body, at)) and len(content) < KEPT_BYTES:
        length = int(size[1], 16)
        if not length:
            break
        content += body[size.end() : size.end() + length]
        at = size.end() + length + 2
    return content
