"""What a hot read answers, and its headers, which are built once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

from starlette.types import Send

from fyke.api.envelope import JsonBytes, dialect_of
from fyke.api.etags import VALIDATED
from fyke.api.hot.kept import Encoded
from fyke.api.serving import Operation
from fyke.api.transport import Headers, added_headers
from fyke.model.account import Caller

_TYPE = (b"content-type", JsonBytes.media_type.encode())


class Asked(NamedTuple):
    """An admitted request: its caller, the id of the run in its path, its body and its query."""

    caller: Caller
    run_id: str
    body: bytes
    query: bytes


class HotRead(ABC):
    """The short path of the operation ``method`` ``path``."""

    method: ClassVar[str]
    path: ClassVar[str]

    @abstractmethod
    async def answer(self, asked: Asked) -> Encoded | None:
        """``data`` of the answer. None, as well as ``NotInline`` and ``FykeError``: the full path
        answers.
        """


class HotRoute:
    """A hot read with its operation. ``hsts``: as in ``Transport``."""

    def __init__(self, read: HotRead, operation: Operation, hsts: Headers) -> None:
        self.read = read
        self.operation = operation
        self.has_body = operation.declaration.reads_json
        self.validated = operation.declaration.validated
        self._dialect = dialect_of(operation.path)
        own = tuple(VALIDATED.items()) if self.validated else ()
        present = [(name.encode(), value.encode()) for name, value in own]
        self._headers = {
            secure: (*present, *added_headers(present, hsts if secure else ()))
            for secure in (False, True)
        }

    async def send(
        self,
        send: Send,
        status: int,
        encoded: Encoded,
        request_id: str,
        rate_fields: Headers,
        *,
        secure: bool,
    ) -> None:
        """Send the answer 200, or 304 without a body. ``secure``: over https."""
        body = b""
        headers = []
        if status != 304:
            body = self._dialect.success(encoded.data, request_id)
            headers += [(b"content-length", b"%d" % len(body)), _TYPE]
        if self.validated:
            headers.append((b"etag", encoded.tag.encode()))
        headers += self._headers[secure]
        headers.append((b"x-request-id", request_id.encode()))
        headers += rate_fields
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
