"""uvicorn's HTTP protocol with limits on what comes before the body, and errors in our own shape.

The parser below it would collect a header of any length for any time. Here a request's head has a
size, a number of fields and a time, so that a slow or endless client costs one socket and no more.
Pass the class as ``http=`` to ``uvicorn.Config``.

An offer to go on in another protocol is not taken, and must not be seen by the parser, which would
drop the body after it: Java's own client makes such an offer (h2c) with its first request.

Long answers get two things from here: a client that reads nothing for a minute is disconnected
(``stalled.py``), and when the server is asked to stop, the event in the scope is set.
"""

from __future__ import annotations

import asyncio
import re
from urllib.parse import unquote_to_bytes

from fyke.api.errors import Refusal, table_of
from fyke.api.presence import CLOSING
from fyke.api.stalled import StallProtocol
from fyke.api.transport import request_id_for

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 100
HEAD_SECONDS = 10.0
_TOO_LONG = f"the head must be at most {MAX_HEAD_BYTES // 1024} KiB"

_OFFER = b"upgrade:"
_OFFER_LINE = re.compile(rb"(?<=\n)upgrade:", re.IGNORECASE)
_NOT_TAKEN = b"x-upgrade-not-taken:"

_LINE_BYTES = 256  # of a request's first line: enough to find the dialect of its path
_PATH = re.compile(rb"[\r\n]*[^ \r\n]+ (?:https?://[^/ ]*)?(/[^ ?\r\n]*)", re.IGNORECASE)


class LimitedProtocol(StallProtocol):
    """See the module's docstring."""

    head_seconds = HEAD_SECONDS

    _in_head = True
    _head_bytes = 0
    _head_next = True  # what comes is a head, or the rest of one
    _held = b""  # the end of a piece that may become an offer with the next one
    _before = b""  # the last three bytes of the head so far
    _line = b""  # the beginning of the head; the parser gives no path that it refuses
    _refused = ""  # why the parser was stopped
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._closing = asyncio.Event()
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_next:
            self._line = (self._line + data[:_LINE_BYTES])[:_LINE_BYTES]
        super().data_received(self._without_offer(data) if self._head_next else data)
        # A piece that ends inside the head is all head, or the tail of what came before it.
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.send_400_response(_TOO_LONG)

    def _without_offer(self, data: bytes) -> bytes:
        """``data`` with the field that offers another protocol renamed, so that it is ignored."""
        known = len(self._before)
        data, self._held = self._before + self._held + data, b""
        end = data.find(b"\r\n\r\n")
        head, rest = (data, b"") if end < 0 else (data[:end], data[end:])
        if end < 0:
            line = head[head.rfind(b"\n") + 1 :]
            if line and len(line) < len(_OFFER) and _OFFER.startswith(line.lower()):
                head, self._held = head[: -len(line)], line
        self._before = head[-3:] if end < 0 else b""
        return (_OFFER_LINE.sub(_NOT_TAKEN, head) + rest)[known:]

    def shutdown(self) -> None:
        """The server stops: requests that wait or stream end now."""
        super().shutdown()
        self._closing.set()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[CLOSING] = self._closing  # type: ignore[literal-required]  # a key of our own
        self._begin_head()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) >= MAX_HEAD_BYTES - 1:
            self._refuse(_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= MAX_HEADERS:
            self._refuse(f"the head must have at most {MAX_HEADERS} fields")
        super().on_header(name, value)

    def _refuse(self, why: str) -> None:
        """Stop the parser, which then answers 400."""
        self._refused = why
        raise ValueError(why)

    def on_headers_complete(self) -> None:
        self._in_head = self._head_next = False
        self._stop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._head_next, self._line = True, b""
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what never became a request, in the dialect of its path as far as that can be
        read, and close."""
        found = _PATH.match(self._line)
        path = unquote_to_bytes(found[1]).decode("latin-1") if found else ""
        request_id = request_id_for({"headers": self.headers or []})
        text = self._refused or msg.rstrip(".")
        answer = table_of(path).refusal(Refusal(400, text), request_id)
        fields = [
            *answer.raw_headers,
            (b"x-request-id", request_id.encode()),
            (b"connection", b"close"),
        ]
        lines = [b"HTTP/1.1 400 Bad Request", *(b": ".join(field) for field in fields)]
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + bytes(answer.body))
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
