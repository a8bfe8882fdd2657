"""Reads ``Idempotency-Key`` from a request that starts runs."""

from __future__ import annotations

import hashlib

from starlette.requests import Request

from fyke.api.media import RequestHeader
from fyke.api.network import header
from fyke.api.placeholders import is_placeholder
from fyke.domain.runs.start_keys import HEADER, StartKey
from fyke.errors import InvalidFields

MAX_CHARS = 255
HEADER_DOC = RequestHeader(
    f"1 to {MAX_CHARS} printable characters. For 24 hours, the same request with the same key "
    "starts nothing again: its answer is about the run that the first request started.",
    f"^[!-~][ -~]{{0,{MAX_CHARS - 1}}}$",  # surrounding spaces are not part of it
    "order-4711",
)


def start_key(request: Request, body: bytes) -> StartKey | None:
    """The start key of a request, or None. Raises ``InvalidFields``.

    Two requests are the same when method, path and body are equal, byte for byte. Credentials do
    not count, so an API key may be replaced between two tries.
    """
    text = header(request.scope, HEADER.lower().encode())
    if text is None:
        return None
    if not 1 <= len(text) <= MAX_CHARS or not (text.isascii() and text.isprintable()):
        raise InvalidFields(f"{HEADER} must be 1 to {MAX_CHARS} printable ASCII characters")
    if is_placeholder(text):
        raise InvalidFields(
            f"{HEADER}: {text.strip()} is a placeholder that every request from the same "
            "template has, so a second start would only repeat the first; "
            "send a new value with every start, or omit the header"
        )
    digest = hashlib.sha256(f"{request.method} {request.scope['path']}\n".encode())
    digest.update(body)
    return StartKey(text, digest.hexdigest())
