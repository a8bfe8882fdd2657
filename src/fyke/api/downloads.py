"""Sending a file: whole, or a range to resume an earlier download.

The file of a run that has ended has a mark, which becomes its ``ETag``. It is stored in the spool
for a while, where every client reads it at its own pace. The file of an active run is streamed
while it is generated, without ranges, because its content may change. So is a file that does not
fit into the spool.

``Last-Modified`` says when a file was made. A range is not sent for this date, because another
server may make the same file at another time.

Files are compressed for clients that ask for it. Each encoding is a file of its own, with its own
``ETag`` and ranges.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from email.utils import formatdate
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from fyke.api.encodings import accepted_encoding
from fyke.api.etags import matches
from fyke.api.ranges import Unsatisfiable, byte_range, is_current
from fyke.api.transport import EXPOSED
from fyke.domain.results.export.spool import Make, Spool, SpoolFile, SpoolFull
from fyke.kit.compression import ENCODINGS, Encoding, compressed, version

_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "cache-control": "private, no-store",
    "x-content-type-options": "nosniff",
    "access-control-expose-headers": f"{EXPOSED}, accept-ranges, content-range",
}
# Files up to this size have a Content-Length even at their first download.
_MAX_BYTES_WITH_LENGTH = 2**20


@dataclass(frozen=True, slots=True)
class FileDownload:
    """A file to generate. ``fingerprint`` is empty while its content may still change."""

    name: str
    content_type: str
    fingerprint: str
    account_id: str
    make: Make
    compressible: bool = True
    encoding: Encoding | None = None

    @property
    def tag(self) -> str:
        """The strong ``ETag`` of the file."""
        return f'"{self.fingerprint}"'

    def encoded(self, encoding: Encoding) -> FileDownload:
        """The same file, compressed."""
        fingerprint = self.fingerprint and f"{self.fingerprint}-{encoding}-{version(encoding)}"

        async def make() -> AsyncGenerator[bytes, None]:
            return compressed(await self.make(), encoding)

        return replace(self, fingerprint=fingerprint, make=make, encoding=encoding)


class Downloads:
    """Answers requests for files."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    async def answer(self, request: Request, download: FileDownload) -> Response:
        """200, 206, 304 or 416. Raises what ``make`` raises before the first byte."""
        download = _representation(request, download)
        if_none_match = request.headers.get("if-none-match")
        if (
            download.fingerprint
            and if_none_match is not None
            and matches(if_none_match, download.tag)
        ):
            return Response(status_code=304, headers=_validators(download))
        if not download.fingerprint:
            return await self._unstored(request, download)
        range_header = request.headers.get("range") if request.method == "GET" else None
        if not is_current(request.headers.get("if-range"), download.tag):
            range_header = None
        # Ranges and HEAD need the size, which is known only when the file is complete.
        complete = bool(range_header) or request.method == "HEAD"
        try:
            file = await self._spool.open(download.fingerprint, download.account_id, download.make)
            await file.wait(None if complete else _MAX_BYTES_WITH_LENGTH)
        except SpoolFull:
            return await self._unstored(request, download)
        return self._stored(request, download, file, range_header)

    def _stored(
        self, request: Request, download: FileDownload, file: SpoolFile, range_header: str | None
    ) -> Response:
        headers = _headers(download, ranges=True) | _validators(download)
        headers["last-modified"] = formatdate(file.made_at, usegmt=True)
        try:
            part = byte_range(range_header, file.size) if file.complete else None
        except Unsatisfiable:
            headers = _validators(download) | {"content-range": f"bytes */{file.size}"}
            return Response(status_code=416, headers=headers)
        if file.complete:
            begin, end = part or (0, file.size)
            headers["content-length"] = str(end - begin)
        if request.method == "HEAD":
            return Response(headers=headers, media_type=download.content_type)
        if part is None:
            return Stream(self._whole(download, file), 200, headers, download.content_type)
        headers["content-range"] = f"bytes {begin}-{end - 1}/{file.size}"
        return Stream(self._spool.read(file, *part), 206, headers, download.content_type)

    async def _whole(self, download: FileDownload, file: SpoolFile) -> AsyncGenerator[bytes, None]:
        """The stored part of the file; if the spool is full, the rest is generated again."""
        sent_bytes = 0
        try:
            async with aclosing(self._spool.read(file)) as stored:
                async for chunk in stored:
                    sent_bytes += len(chunk)
                    yield chunk
        except SpoolFull:
            async with aclosing(await download.make()) as chunks:
                async for chunk in chunks:
                    skipped = min(sent_bytes, len(chunk))
                    sent_bytes -= skipped
                    if skipped < len(chunk):
                        yield chunk[skipped:]

    @staticmethod
    async def _unstored(request: Request, download: FileDownload) -> Response:
        headers = _headers(download, ranges=False)
        if request.method == "HEAD":
            return Response(headers=headers, media_type=download.content_type)
        headers["last-modified"] = formatdate(usegmt=True)
        body = await after_first_chunk(await download.make())
        return Stream(body, 200, headers, download.content_type)


def _representation(request: Request, download: FileDownload) -> FileDownload:
    """The file in the encoding that the client asks for.

    A range is one of the file itself, because many clients count the bytes that they decoded. It is
    one of a compressed file only when ``If-Range`` has the tag of that.
    """
    encoding = accepted_encoding(request.headers.get("accept-encoding"), ENCODINGS)
    if encoding is None or not download.compressible:
        return download
    encoded = download.encoded(encoding)
    if "range" in request.headers and request.headers.get("if-range", "").strip() != encoded.tag:
        return download
    return encoded


def _headers(download: FileDownload, *, ranges: bool) -> dict[str, str]:
    headers = {
        **_HEADERS,
        "content-disposition": _attachment(download.name),
        "accept-ranges": "bytes" if ranges else "none",
        **_vary(download),
    }
    if download.encoding is not None:
        headers["content-encoding"] = download.encoding
    return headers


def _attachment(name: str) -> str:
    """Old clients, which know only ASCII names, get underscores for other characters."""
    plain = "".join(char if char.isascii() else "_" for char in name)
    header = f'attachment; filename="{plain}"'
    return header if name == plain else f"{header}; filename*=UTF-8''{quote(name, safe='')}"


def _validators(download: FileDownload) -> dict[str, str]:
    return {"etag": download.tag, **_vary(download)}


def _vary(download: FileDownload) -> dict[str, str]:
    return {"vary": "accept-encoding"} if download.compressible else {}


class Stream(StreamingResponse):
    """A streaming response that always closes its source."""

    def __init__(
        self, body: AsyncGenerator[bytes], status: int, headers: dict[str, str], media_type: str
    ) -> None:
        super().__init__(body, status, headers, media_type)
        self._source = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._source):
            await super().__call__(scope, receive, send)


async def after_first_chunk(body: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """Wait for the first chunk of ``body``, so that its errors are raised here; return ``body``."""
    first = await anext(body, b"")

    async def chunks() -> AsyncGenerator[bytes]:
        try:
            yield first
            async for chunk in body:
                yield chunk
        finally:
            if isinstance(body, AsyncGenerator):
                await body.aclose()

    return chunks()
