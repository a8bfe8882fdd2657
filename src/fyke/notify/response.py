"""The start of a receiver's response, as printable text, and when it may be called again."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

KEPT_BYTES = 2048
KEPT_CHARACTERS = 1000
_CHUNKED = re.compile(rb"^transfer-encoding:.*\bchunked\b", re.IGNORECASE | re.MULTILINE)
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[^\r\n]{0,200}\r\n")
_RETRY_AFTER = re.compile(rb"^retry-after:[ \t]*([^\r\n]{1,40})", re.IGNORECASE | re.MULTILINE)
MAX_WAIT = 86_400.0  # seconds
# what the parsers raise for the text of a receiver, such as for a year of eleven digits
_UNREADABLE = (ValueError, OverflowError, TypeError, RecursionError)
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


def retry_after(status: int, head: bytes, reply: str) -> float:
    """The seconds for which a receiver with too many requests wants no other, at most
    ``MAX_WAIT``: in the header, or else in the JSON of Telegram and Discord. 0 without a number.
    """
    if status not in (429, 503):
        return 0.0
    match = _RETRY_AFTER.search(head)
    seconds = _seconds(match[1].decode("ascii", "replace").strip()) if match else 0.0
    return min(MAX_WAIT, max(0.0, seconds or _seconds_in_json(reply)))


def _seconds(text: str) -> float:
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return float(text)
    try:
        at = parsedate_to_datetime(text)
        return 0.0 if at.tzinfo is None else (at - datetime.now(UTC)).total_seconds()
    except _UNREADABLE:
        return 0.0


def _seconds_in_json(reply: str) -> float:
    try:
        data: Any = json.loads(reply)
    except _UNREADABLE:
        return 0.0
    if not isinstance(data, dict):
        return 0.0
    more = data.get("parameters")
    value = (more if isinstance(more, dict) else data).get("retry_after")
    if not isinstance(value, int | float) or value != value:
        return 0.0
    return float(min(MAX_WAIT, max(0, value)))  # an integer may be too large for a float
