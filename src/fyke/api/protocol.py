"""uvicorn's HTTP protocol with limits on what comes before the body, and errors in our own shape.

The parser below it would collect a header of any length for any time. Here a request's head has a
size, a number of fields and a time, so that a slow or endless client costs one socket and no more.
Pass the class as ``http=`` to ``uvicorn.Config``.
"""

from __future__ import annotations

import asyncio
import re

from fyke.api.envelope import V1
from fyke.api.errors import INVALID
from fyke.api.presence import CLOSING
from fyke.api.stalled import StallProtocol

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 100
HEAD_SECONDS = 10.0



class LimitedProtocol(StallProtocol):
    """See the module's docstring."""

    head_seconds = HEAD_SECONDS

    _in_head = True
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # A piece that ends inside the head is all head, or the tail of what came before it.
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.send_400_response(f"the head must be at most {MAX_HEAD_BYTES // 1024} KiB")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= MAX_HEADERS:
            raise ValueError("too many header fields")  # the parser answers 400
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_timer()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what never became a request, and close."""
        body = V1.failure(INVALID.code, f"{INVALID.text}: {msg.rstrip('.')}", "")
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _begin_head(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        self._stop_timer()
        self._head_timer = self.loop.call_later(self.head_seconds, self._too_slow)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
