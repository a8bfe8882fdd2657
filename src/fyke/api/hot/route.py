"""What a hot read answers, and its header fields, which are formatted once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from asyncio import Future
from collections.abc import Callable
from typing import ClassVar, NamedTuple

from fyke.api.envelope import JsonBytes, dialect_of
from fyke.api.etags import VALIDATED
from fyke.api.hot.kept import Encoded
from fyke.api.request_meter import route_class
from fyke.api.serving import Operation
from fyke.api.transport import Headers, added_headers
from fyke.model.account import Caller

_TYPE = b"content-type: %s\r\n" % JsonBytes.media_type.encode()


class Asked(NamedTuple):
    """A request: the id of the run in its path, its body and its query."""

    run_id: str
    body: bytes
    query: bytes


class HotAnswer(NamedTuple):
    """A whole answer. ``fields``: the lines of its head after the first, without the empty one."""

    status: int
    fields: bytes
    body: bytes


Later = Future[Encoded | None]
# Reads ``data`` of the answer for a caller, now or later. None, as well as ``NotInline`` and
# ``FykeError``: the full path answers.
Question = Callable[[Caller], Encoded | Later | None]


class HotRead(ABC):
    """The short path of the operation ``method`` ``path``."""

    method: ClassVar[str]
    path: ClassVar[str]

    @abstractmethod
    def question(self, asked: Asked) -> Question | None:
        """What is asked, which depends on nothing but the request. None, as well as ``FykeError``:
        the full path answers.
        """


class HotRoute:
    """A hot read with its operation. ``hsts``: as in ``Transport``."""

    def __init__(self, read: HotRead, operation: Operation, hsts: Headers) -> None:
        self.read = read
        self.operation = operation
        self.has_body = operation.declaration.reads_json
        self.validated = operation.declaration.validated
        self.scopes = operation.declaration.scopes
        self.route_class = route_class(operation.path)
        self._dialect = dialect_of(operation.path)
        own = tuple(VALIDATED.items()) if self.validated else ()
        present = [(name.encode(), value.encode()) for name, value in own]
        self._fields = {
            secure: _lines((*present, *added_headers(present, hsts if secure else ())))
            for secure in (False, True)
        }

    def reply(
        self,
        status: int,
        encoded: Encoded,
        request_id: str,
        rate_fields: Headers,
        *,
        secure: bool,
    ) -> HotAnswer:
        """The answer 200, or 304 without a body. ``secure``: over https."""
        body = b""
        fields = []
        if status != 304:
            body = self._dialect.success(encoded.data, request_id)
            fields = [b"content-length: %d\r\n" % len(body), _TYPE]
        if self.validated:
            fields.append(b"etag: %s\r\n" % encoded.tag.encode())
        fields.append(self._fields[secure])
        fields.append(b"x-request-id: %s\r\n" % request_id.encode())
        if rate_fields:
            fields.append(_lines(rate_fields))
        return HotAnswer(status, b"".join(fields), body)


def _lines(headers: Headers) -> bytes:
    return b"".join(b"%s: %s\r\n" % pair for pair in headers)
