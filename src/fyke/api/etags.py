"""Answering "not modified": ``ETag`` and ``If-None-Match``.

A tag is made from the data of an answer, without the envelope, whose ``request_id`` is another one
each time. So it is a weak one (``W/``): the same tag means the same data. An operation says
``validated=True`` and all of it happens here.
"""

from __future__ import annotations

import hashlib

from starlette.requests import Request
from starlette.responses import Response

from fyke.api.network import header

# A client may store an answer, but must revalidate it each time; shared caches may not store it.
_HEADERS = {"cache-control": "private, no-cache"}
IF_NONE_MATCH = {"If-None-Match": "an `ETag` from before; 304 when the data is still the same"}
NOT_MODIFIED = {304: "The data is still that of the `If-None-Match`"}


def validate(request: Request, data: bytes, answer: Response) -> Response:
    """``answer``, which carries ``data``, with its tag; or 304 when the client has it already."""
    tag = f'W/"{hashlib.blake2b(data, digest_size=16).hexdigest()}"'
    given = header(request.scope, b"if-none-match")
    if given is not None and matches(given, tag):
        answer = Response(status_code=304)
    answer.headers["etag"] = tag
    answer.headers.update(_HEADERS)
    return answer


def matches(given: str, tag: str) -> bool:
    """Compare as RFC 9110 13.1.2 wants it here: weakly, ``*`` for anything."""
    if given.strip() == "*":
        return True
    wanted = tag.removeprefix("W/")
    return any(part.strip().removeprefix("W/") == wanted for part in given.split(","))
