"""The envelope of an answer, in the dialect of the requested path.

Paths under ``/api/v2/`` use the second dialect, all others the first. In both, ``code`` comes
first, then ``message``, without spaces: old clients search the bytes for ``"code":`` and read the
digits after it. Order and spacing are part of the contract, so the envelope is formatted here, not
by an encoder.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import msgspec
from starlette.responses import Response

V2_PREFIX = "/api/v2/"
FYKE_PREFIX = "/api/fyke/"

NULL = b"null"  # ``data`` of an answer without data

encode = msgspec.json.Encoder().encode


class Dialect(ABC):
    """The envelope of one version of the API."""

    name: str

    @abstractmethod
    def success(self, data: bytes, request_id: str) -> bytes:
        """The body of a successful answer; ``data`` is JSON."""

    @abstractmethod
    def failure(
        self, code: int, message: str, request_id: str, details: Sequence[str] = ()
    ) -> bytes:
        """The body of an error; ``details`` has one sentence per problem."""


class FirstDialect(Dialect):
    """``{"code","message","data"}``; an error may have ``details``."""

    name = "v1"

    def success(self, data: bytes, request_id: str) -> bytes:
        return b'{"code":0,"message":"success","data":' + data + b"}"

    def failure(
        self, code: int, message: str, request_id: str, details: Sequence[str] = ()
    ) -> bytes:
        body = b'{"code":%d,"message":%s,"data":null' % (code, encode(message))
        return body + (b',"details":' + encode(list(details)) if details else b"") + b"}"


class SecondDialect(Dialect):
    """``{"code","message","request_id","data"}``; an error has ``details`` instead of ``data``."""

    name = "v2"

    def success(self, data: bytes, request_id: str) -> bytes:
        head = b'{"code":0,"message":"success","request_id":%s,"data":' % encode(request_id)
        return head + data + b"}"

    def failure(
        self, code: int, message: str, request_id: str, details: Sequence[str] = ()
    ) -> bytes:
        # a list of strings or null: clients decode nothing else
        return b'{"code":%d,"message":%s,"request_id":%s,"details":%s}' % (
            code,
            encode(message),
            encode(request_id),
            encode(list(details)) if details else NULL,
        )


V1: Dialect = FirstDialect()
V2: Dialect = SecondDialect()


def dialect_of(path: str) -> Dialect:
    """The dialect that ``path`` is answered in."""
    return V2 if path.startswith(V2_PREFIX) else V1


class JsonBytes(Response):
    """A response whose body is already encoded as JSON."""

    media_type = "application/json"

    def __init__(
        self, content: bytes, status_code: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(content, status_code, dict(headers) if headers else None)
