"""Answering "not modified": ``ETag`` and ``If-None-Match``.

The tag is computed from the data of an answer without the envelope, whose ``request_id`` differs
each time. So it is weak (``W/``): the same tag means the same data. It is for operations that are
declared with ``validated=True``.
"""

from __future__ import annotations

import hashlib

from starlette.requests import Request
from starlette.responses import Response

from fyke.api.network import header

# A client may store an answer, but must revalidate it each time; shared caches may not store it.
VALIDATED = {"cache-control": "private, no-cache"}
IF_NONE_MATCH = {
    "If-None-Match": "the `ETag` of an earlier answer; 304 if the data has not changed"
}
NOT_MODIFIED = {304: "The data has not changed since the `ETag` in `If-None-Match`"}


def validate(request: Request, data: bytes, answer: Response) -> Response:
    """``answer`` with the tag of ``data``, or 304 if the client already has it."""
    tag = tag_of(data)
    if_none_match = header(request.scope, b"if-none-match")
    if if_none_match is not None and matches(if_none_match, tag):
        answer = Response(status_code=304)
    answer.headers["etag"] = tag
    answer.headers.update(VALIDATED)
    return answer


def tag_of(data: bytes) -> str:
    """The ``ETag`` of an answer with this ``data``."""
    return f'W/"{hashlib.blake2b(data, digest_size=16).hexdigest()}"'


def matches(if_none_match: str, tag: str) -> bool:
    """Weak comparison as in RFC 9110, 13.1.2; ``*`` matches any tag."""
    if if_none_match.strip() == "*":
        return True
    opaque = tag.removeprefix("W/")
    return any(part.strip().removeprefix("W/") == opaque for part in if_none_match.split(","))
