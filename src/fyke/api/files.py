"""Downloads by signed link: no key needed, one file, a short life, gone with its run.

The link holds all that it opens (purpose, run, format, columns, file name) and its time, under an
HMAC. Nothing is looked up by it but the run, so there is nothing to guess and nothing to clean up.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from fyke.api.decode import Wire, WireText
from fyke.api.errors import UNKNOWN_PATH
from fyke.api.network import Visit
from fyke.api.operations import Call, Operation
from fyke.domain.logs.service import RunLogs
from fyke.domain.results.export.formats import format_named
from fyke.domain.results.export.service import Exports
from fyke.errors import NotFound, RunNotFound

EXPORT = "export"
LOG = "log"

_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "cache-control": "private, no-store",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Link:
    """What a link opens."""

    purpose: str
    run_id: str
    format: str
    keys: tuple[str, ...]
    safe: bool
    bom: bool


class Links:
    """Signs links and reads them back; they hold for ``seconds``."""

    def __init__(self, master_secret: bytes, seconds: int) -> None:
        self._seconds = seconds
        self._serializer = URLSafeTimedSerializer(
            master_secret,
            salt="fyke.download",
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )

    def url(
        self,
        visit: Visit,
        purpose: str,
        run_id: str,
        name: str,
        *,
        format: str = "",
        keys: Sequence[str] = (),
        safe: bool = False,
        bom: bool = False,
    ) -> str:
        """An absolute address for the file ``name``."""
        token = self._serializer.dumps([purpose, run_id, name, format, [*keys], safe, bom])
        text = token if isinstance(token, str) else token.decode()
        return f"{visit.origin}/files/{text}/{name}"

    def read(self, token: str, name: str) -> Link:
        """What the link opens; raise ``NotFound`` when it is not ours, not whole or too old."""
        # The last character of a signature has spare bits, and a link changed in any character
        # is no longer the link that was given out: compare the text, not what it decodes to.
        value, _, signature = token.rpartition(".")
        expected = self._serializer.make_signer(self._serializer.salt).get_signature(value)
        if not hmac.compare_digest(expected, signature.encode("utf-8", "replace")):
            raise NotFound
        try:
            purpose, run_id, own_name, kind, keys, safe, bom = self._serializer.loads(
                token, max_age=self._seconds
            )
        except (BadData, ValueError):
            raise NotFound from None
        if own_name != name:
            raise NotFound
        return Link(purpose, run_id, kind, tuple(keys), safe, bom)


class _Stream(StreamingResponse):
    """A stream whose source is closed whatever becomes of the client."""

    def __init__(self, body: AsyncGenerator[bytes], media_type: str, name: str) -> None:
        headers = {**_HEADERS, "content-disposition": f'attachment; filename="{name}"'}
        super().__init__(body, headers=headers, media_type=media_type)
        self._source = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._source):
            await super().__call__(scope, receive, send)


async def _begun(body: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """``body`` with its first piece made already, so that what fails early fails as an error."""
    first = await anext(body, b"")

    async def all_of_it() -> AsyncGenerator[bytes]:
        try:
            yield first
            async for piece in body:
                yield piece
        finally:
            if isinstance(body, AsyncGenerator):
                await body.aclose()

    return all_of_it()


class FileFields(Wire):
    token: WireText
    name: WireText


@dataclass(frozen=True, slots=True)
class FileOperations:
    exports: Exports
    logs: RunLogs
    links: Links

    def operations(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/files/{token}/{name}",
                id="downloadFile",
                tag="Files",
                summary="The file that a temporary link leads to",
                fields=FileFields,
                handler=self.download,
                errors=(UNKNOWN_PATH,),
                path_fields=("token", "name"),
            )
        ]

    async def download(self, _call: Call, wanted: FileFields) -> Response:
        link = self.links.read(wanted.token, wanted.name)
        try:
            if link.purpose == LOG:
                text = await self.logs.text(link.run_id)
                return _Stream(await _begun(text), "text/plain; charset=utf-8", wanted.name)
            export = await self.exports.open(
                link.run_id,
                format_named(link.format),
                link.keys,
                safe=link.safe,
                bom=link.bom,
            )
        except RunNotFound:
            raise NotFound from None
        return _Stream(await _begun(export.body), export.content_type, wanted.name)
