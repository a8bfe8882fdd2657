"""Server-sent events: their format, and a response that streams them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fyke.api.presence import first_of
from fyke.errors import FykeError

log = structlog.get_logger("fyke.api")


def event(kind: str, id: str, data: bytes) -> bytes:
    """One event. ``data`` is JSON without line breaks, which would end it early."""
    return b"event: %s\nid: %s\ndata: %s\n\n" % (kind.encode(), id.encode(), data)


def comment(text: str) -> bytes:
    """A line that clients ignore; it keeps proxies from closing an idle stream."""
    return b": %s\n\n" % text.encode()


class EventStream(Response):
    """Streams ``source`` until it ends, the client disconnects or the server stops.

    ``closed`` is always called, once. When the client reads slowly, ``source`` waits; when it reads
    nothing at all, the protocol closes the connection.
    """

    media_type = "text/event-stream"

    def __init__(self, source: AsyncGenerator[bytes, None], closed: Callable[[], None]) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._source = source
        self._closed = closed

    def end_when(self, is_over: Callable[[], Awaitable[bool]]) -> None:
        """Check ``is_over`` before each event; end the stream when it is true."""
        self._source = _until(is_over, self._source)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(head)
            sending = asyncio.create_task(self._send_all(send))
            if await first_of(sending, scope, receive):
                sending.result()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._closed()

    async def _send_all(self, send: Send) -> None:
        async with aclosing(self._source):
            try:
                async for chunk in self._source:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            except FykeError as error:
                # the client reconnects and continues at its last event
                log.warning("event_stream_broken", key=error.key, error=str(error))


async def _until(
    is_over: Callable[[], Awaitable[bool]], source: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    async with aclosing(source):
        async for chunk in source:
            if await is_over():
                return
            yield chunk
