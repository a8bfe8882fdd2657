"""Sending a file: whole, or from where an earlier download broke off.

The file of a run that has ended has a mark, which is its ``ETag``: it is kept in the spool for a
while, and every client reads from there at its own pace. That of a run that may still push is sent
as it is made; it has no ranges, because the next request would see another file. So is a file that
there is no space for.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from fyke.api.etags import matches
from fyke.api.ranges import Unsatisfiable, byte_range, is_current
from fyke.api.transport import EXPOSED
from fyke.domain.results.export.spool import Make, NoRoom, Spool, SpoolFile

_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "cache-control": "private, no-store",
    "x-content-type-options": "nosniff",
    "access-control-expose-headers": f"{EXPOSED}, accept-ranges, content-range",
}
# A file of at most so many bytes is sent with its length at the first download, too.
_LENGTH_WITHIN = 2**20


@dataclass(frozen=True, slots=True)
class FileDownload:
    """A file that can be made. ``mark`` is empty while its bytes may still change."""

    name: str
    content_type: str
    mark: str
    account_id: str
    make: Make

    @property
    def tag(self) -> str:
        """Its strong ``ETag``."""
        return f'"{self.mark}"'


class Downloads:
    """Answers requests for files."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    async def answer(self, request: Request, wanted: FileDownload) -> Response:
        """200, 206, 304 or 416. Raises what making the file raises before its first byte."""
        known = request.headers.get("if-none-match")
        if wanted.mark and known is not None and matches(known, wanted.tag):
            return Response(status_code=304, headers={"etag": wanted.tag})
        if not wanted.mark:
            return await self._passing(request, wanted)
        file = await self._spool.open(wanted.mark, wanted.account_id, wanted.make)
        given = request.headers.get("range") if request.method == "GET" else None
        if not is_current(request.headers.get("if-range"), wanted.tag):
            given = None
        try:
            # The end of a range and the size of the file are known only once it is written.
            await file.until(None if given or request.method == "HEAD" else _LENGTH_WITHIN)
        except NoRoom:
            return await self._passing(request, wanted)
        return self._kept(request, wanted, file, given)

    def _kept(
        self, request: Request, wanted: FileDownload, file: SpoolFile, given: str | None
    ) -> Response:
        headers = _headers(wanted, ranges=True) | {"etag": wanted.tag}
        try:
            part = byte_range(given, file.size) if file.whole else None
        except Unsatisfiable:
            headers = {"content-range": f"bytes */{file.size}", "etag": wanted.tag}
            return Response(status_code=416, headers=headers)
        if file.whole:
            begin, end = part or (0, file.size)
            headers["content-length"] = str(end - begin)
        if request.method == "HEAD":
            return Response(headers=headers, media_type=wanted.content_type)
        if part is None:
            return Stream(self._all(wanted, file), 200, headers, wanted.content_type)
        headers["content-range"] = f"bytes {begin}-{end - 1}/{file.size}"
        return Stream(self._spool.read(file, *part), 206, headers, wanted.content_type)

    async def _all(self, wanted: FileDownload, file: SpoolFile) -> AsyncGenerator[bytes, None]:
        """The stored part of the file, then the rest, which is generated again."""
        sent = 0
        try:
            async with aclosing(self._spool.read(file)) as pieces:
                async for piece in pieces:
                    sent += len(piece)
                    yield piece
        except NoRoom:
            async with aclosing(await wanted.make()) as again:
                async for piece in again:
                    skipped = min(sent, len(piece))
                    sent -= skipped
                    if skipped < len(piece):
                        yield piece[skipped:]

    @staticmethod
    async def _passing(request: Request, wanted: FileDownload) -> Response:
        headers = _headers(wanted, ranges=False)
        if request.method == "HEAD":
            return Response(headers=headers, media_type=wanted.content_type)
        body = await started(await wanted.make())
        return Stream(body, 200, headers, wanted.content_type)


def _headers(wanted: FileDownload, *, ranges: bool) -> dict[str, str]:
    return {
        **_HEADERS,
        "content-disposition": f'attachment; filename="{wanted.name}"',
        "accept-ranges": "bytes" if ranges else "none",
    }


class Stream(StreamingResponse):
    """A stream whose source is closed whatever becomes of the client."""

    def __init__(
        self, body: AsyncGenerator[bytes], status: int, headers: dict[str, str], media_type: str
    ) -> None:
        super().__init__(body, status, headers, media_type)
        self._source = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._source):
            await super().__call__(scope, receive, send)


async def started(body: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """``body`` after its first chunk was made, so that an early failure is answered as an error."""
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
