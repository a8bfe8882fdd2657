"""The answers of Chromium's HTTP endpoints below ``/json``: reading and rewriting them."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from fyke.browser.streams import ByteStream, StreamEnded, TooLong

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r]")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,12})[ \t]*\r\n", re.IGNORECASE)
_MAX_HEAD = 16 * 1024
_URL = "webSocketDebuggerUrl"
_OWN_PATH = re.compile(r"ws://[^/]*(/devtools/(?:browser|page)/[0-9A-Za-z-]{1,64})")
_DROPPED = ("devtoolsFrontendUrl", "devtoolsFrontendUrlCompat")


class BadAnswer(Exception):
    """Chromium gave no usable answer."""


async def read_answer_head(stream: ByteStream) -> tuple[int, int]:
    """Status of an answer, and the size of its body; of one that makes the connection a WebSocket,
    0. Raise ``BadAnswer``.
    """
    try:
        head = await stream.read_until(b"\r\n\r\n", _MAX_HEAD)
    except (StreamEnded, TooLong):
        raise BadAnswer("Chromium did not answer") from None
    status = _STATUS.match(head)
    if status is None:
        raise BadAnswer("Chromium gave no answer of HTTP")
    length = _LENGTH.search(head)
    return int(status[1]), int(length[1]) if length and status[1] != b"101" else 0


async def read_answer(stream: ByteStream, max_bytes: int) -> tuple[int, bytes]:
    """Status and body of an answer; of one that makes the connection a WebSocket, no body.
    Raise ``BadAnswer``.
    """
    status, size = await read_answer_head(stream)
    if size > max_bytes:
        raise BadAnswer(f"Chromium's answer has {size} bytes; at most {max_bytes} are passed on")
    try:
        return status, await stream.read_exactly(size)
    except StreamEnded:
        raise BadAnswer("Chromium did not answer") from None


def rewrite(body: bytes, host: str) -> bytes | None:
    """The body with addresses at ``host``, the client's name for the gateway; None if not JSON.

    Addresses that are not of Chromium's form are removed.
    """
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    items = value if isinstance(value, list) else [value]
    changed = [_rewritten(item, host) for item in items if isinstance(item, dict)]
    return body if not any(changed) else msgspec.json.encode(value)


def _rewritten(item: dict[str, Any], host: str) -> bool:
    """Change one description in place; return whether it changed."""
    changed = [item.pop(name, None) is not None for name in _DROPPED]
    if _URL not in item:
        return any(changed)
    url = item.pop(_URL)
    path = _OWN_PATH.fullmatch(url) if isinstance(url, str) else None
    if path is not None:
        item[_URL] = f"ws://{host}{path[1]}"
    return True
