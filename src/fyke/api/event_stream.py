"""Server-sent events on the wire: how an event is written, and a response made of them."""

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
    """A line that clients skip; it keeps proxies from taking the stream for dead."""
    return b": %s\n\n" % text.encode()


class EventStream(Response):
    """``source`` as it comes, until it ends, the client leaves or the server is asked to stop.

    ``closed`` is called once, whatever happens. A client that stops reading stops the source at
    its next piece; a connection that takes nothing at all is cut by the protocol.
    """

    media_type = "text/event-stream"

    def __init__(self, source: AsyncGenerator[bytes, None], closed: Callable[[], None]) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._source = source
        self._closed = closed

    def end_when(self, over: Callable[[], Awaitable[bool]]) -> None:
        """Ask before each piece, and end the stream in its place when the answer is yes."""
        self._source = _until(over, self._source)

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
                async for piece in self._source:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            except FykeError as error:
                # the client comes back by itself and goes on where it was
                log.warning("event_stream_broken", key=error.key, error=str(error))


async def _until(
    over: Callable[[], Awaitable[bool]], source: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    async with aclosing(source):
        async for piece in source:
            if await over():
                return
            yield piece
