"""The one shape of every answer: ``code`` first, then ``message``, then ``data``, no spaces.

Old clients search the bytes for ``"code":`` and read the digits behind it, so order and compactness
are part of the contract and are made here by hand, not left to an encoder's options.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from starlette.responses import Response

_SUCCESS = b'{"code":0,"message":"success","data":'
EMPTY = _SUCCESS + b"null}"

encode = msgspec.json.Encoder().encode


def success(data: object) -> bytes:
    """The answer to a request that worked. ``msgspec.Raw`` inside ``data`` is passed through."""
    return _SUCCESS + encode(data) + b"}"


def success_raw(data: bytes) -> bytes:
    """The same for ``data`` that is JSON already."""
    return _SUCCESS + data + b"}"


def failure(code: int, message: str, details: Iterable[str] = ()) -> bytes:
    """The answer to a request that did not; ``details`` is left out when there are none."""
    body = b'{"code":%d,"message":%s,"data":null' % (code, encode(message))
    listed = list(details)
    return body + (b',"details":' + encode(listed) if listed else b"") + b"}"


class JsonBytes(Response):
    """A response whose body is JSON that has been encoded already."""

    media_type = "application/json"

    def __init__(
        self, content: bytes, status_code: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(content, status_code, dict(headers) if headers else None)
