"""Reading ``Idempotency-Key`` from a request that starts something."""

from __future__ import annotations

import hashlib

from starlette.requests import Request

from fyke.api.media import RequestHeader
from fyke.api.network import header
from fyke.api.placeholders import is_placeholder
from fyke.domain.runs.start_keys import HEADER, StartKey
from fyke.errors import InvalidFields

MAX_CHARS = 255
DESCRIBED = RequestHeader(
    f"1 to {MAX_CHARS} printable characters. For 24 hours the same key with the same request means "
    "the same start: nothing is started again, and the answer is about the run of the first time.",
    f"^[!-~][ -~]{{0,{MAX_CHARS - 1}}}$",  # spaces around it are none of it
    "order-4711",
)


def start_key(request: Request, body: bytes) -> StartKey | None:
    """The key of a start, None without one; raise ``InvalidFields`` when it cannot be one.

    Two requests are the same when method, path and body are, byte for byte. How they authenticate
    is no part of it, so a key may be renewed between two tries.
    """
    text = header(request.scope, HEADER.lower().encode())
    if text is None:
        return None
    if not 1 <= len(text) <= MAX_CHARS or not (text.isascii() and text.isprintable()):
        raise InvalidFields(f"{HEADER} must be 1 to {MAX_CHARS} printable ASCII characters")
    if is_placeholder(text):
        raise InvalidFields(
            f"{HEADER}: {text.strip()} is a placeholder, which every request made from the same "
            "template carries, so the second start would be the first one again; "
            "send a new value with every start, or leave the header out"
        )
    digest = hashlib.sha256(f"{request.method} {request.scope['path']}\n".encode())
    digest.update(body)
    return StartKey(text, digest.hexdigest())
