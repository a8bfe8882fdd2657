"""uvicorn's HTTP protocol with limits on the head of a request, and with errors as envelopes.

uvicorn's parser accepts a head of any size for any time. Here the size, the number of fields and
the time are limited, so that a slow or endless client costs no more than one socket. Pass the class
as ``http=`` to ``uvicorn.Config``.

The parser must not see a request for a protocol upgrade, because it would drop the body after it.
Java's HTTP client offers such an upgrade (h2c) with its first request. Upgrades are ignored.

For long answers, a client that reads nothing for a minute is disconnected (``stalled.py``), and an
event in the scope is set when the server stops. A connection has one timer for heads and one for
idle times, not one for each request. Polled reads have a short path (``hot``).
"""

from __future__ import annotations

import asyncio
import re
from urllib.parse import unquote_to_bytes

from fyke.api.errors import Refusal, table_of
from fyke.api.hot.protocol import HotProtocol
from fyke.api.presence import CLOSING
from fyke.api.transport import request_id_for

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 100
HEAD_SECONDS = 10.0
_TOO_LONG = f"the head must be at most {MAX_HEAD_BYTES // 1024} KiB"

_UPGRADE = b"upgrade:"
_UPGRADE_LINE = re.compile(rb"(?<=\n)upgrade:", re.IGNORECASE)
_IGNORED = b"x-upgrade-not-taken:"

_LINE_BYTES = 256  # of the request line: enough to find the dialect of its path
_PATH = re.compile(rb"[\r\n]*[^ \r\n]+ (?:https?://[^/ ]*)?(/[^ ?\r\n]*)", re.IGNORECASE)


class LimitedProtocol(HotProtocol):
    """See the module's docstring."""

    head_seconds = HEAD_SECONDS

    _in_head = True
    _head_bytes = 0
    _expects_head = True  # the next bytes belong to a head
    _partial_line = b""  # the end of a chunk that may continue as an upgrade field
    _head_tail = b""  # the last three bytes of the head so far
    _line = b""  # the start of the head; the parser provides no path for an invalid request
    _refusal = ""  # why the parser was stopped
    _head_due = 0.0  # when the head must be complete, by the loop's clock; 0 outside a head
    _head_timer: asyncio.TimerHandle | None = None  # armed at most once, not for each request
    _idle_since = 0.0  # the end of the last answer, by the loop's clock; 0 during a request

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._closing = asyncio.Event()
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._repeat(data):
            return
        if self._expects_head:
            self._line = (self._line + data[:_LINE_BYTES])[:_LINE_BYTES]
        super().data_received(self._without_upgrade(data) if self._expects_head else data)
        # A chunk that ends inside the head counts as a whole, even when it starts with a body.
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.send_400_response(_TOO_LONG)

    def _without_upgrade(self, data: bytes) -> bytes:
        """``data`` with the field ``Upgrade`` renamed, so that the parser ignores it."""
        overlap = len(self._head_tail)
        data, self._partial_line = self._head_tail + self._partial_line + data, b""
        end = data.find(b"\r\n\r\n")
        head, rest = (data, b"") if end < 0 else (data[:end], data[end:])
        if end < 0:
            line = head[head.rfind(b"\n") + 1 :]
            if line and len(line) < len(_UPGRADE) and _UPGRADE.startswith(line.lower()):
                head, self._partial_line = head[: -len(line)], line
        self._head_tail = head[-3:] if end < 0 else b""
        return (_UPGRADE_LINE.sub(_IGNORED, head) + rest)[overlap:]

    def shutdown(self) -> None:
        """The server stops: end requests that wait or stream."""
        super().shutdown()
        self._closing.set()

    def on_message_begin(self) -> None:
        self._idle_since = 0.0
        super().on_message_begin()
        self.scope[CLOSING] = self._closing  # type: ignore[literal-required]  # not a key of ASGI
        self._between = False
        self._begin_head()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) >= MAX_HEAD_BYTES - 1:
            self._refuse(_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= MAX_HEADERS:
            self._refuse(f"the head must have at most {MAX_HEADERS} fields")
        super().on_header(name, value)

    def _refuse(self, reason: str) -> None:
        """Stop the parser, which then answers 400."""
        self._refusal = reason
        raise ValueError(reason)

    def on_headers_complete(self) -> None:
        self._in_head = self._expects_head = False
        self._head_due = 0.0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._expects_head, self._line = True, b""
        self._between = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer 400 in the dialect of the path, if that can be read, and close."""
        match = _PATH.match(self._line)
        path = unquote_to_bytes(match[1]).decode("latin-1") if match else ""
        request_id = request_id_for({"headers": self.headers or []})
        text = self._refusal or msg.rstrip(".")
        answer = table_of(path).refusal(Refusal(400, text), request_id)
        fields = [
            *answer.raw_headers,
            (b"x-request-id", request_id.encode()),
            (b"connection", b"close"),
        ]
        lines = [b"HTTP/1.1 400 Bad Request", *(b": ".join(field) for field in fields)]
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + bytes(answer.body))
        self.transport.close()

    def on_response_complete(self) -> None:
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        now = self.loop.time()
        self._idle_since = 0.0 if self._in_head else now  # a head has a limit of its own
        if self.timeout_keep_alive_task is None:
            due = now + self.timeout_keep_alive
            self.timeout_keep_alive_task = self.loop.call_at(due, self.timeout_keep_alive_handler)

    def _unset_keepalive_if_required(self) -> None:
        """Keep the timer, which looks again when it is due: one timer for a connection. Bytes that
        begin no request leave it idle.
        """
        if self.transport.is_closing():
            super()._unset_keepalive_if_required()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that is idle for long enough; wait again if it was used meanwhile."""
        self.timeout_keep_alive_task = None
        if not self._idle_since or self.transport.is_closing():
            return
        due = self._idle_since + self.timeout_keep_alive
        if self.loop.time() < due:
            self.timeout_keep_alive_task = self.loop.call_at(due, self.timeout_keep_alive_handler)
        else:
            self.transport.close()

    def _begin_head(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        self._head_due = self.loop.time() + self.head_seconds
        if self._head_timer is None:
            self._head_timer = self.loop.call_at(self._head_due, self._check_head)

    def _check_head(self) -> None:
        """Close the connection if its head is late; wait again if it is another head than the one
        that the timer was armed for.
        """
        self._head_timer = None
        if not self._head_due or self.transport.is_closing():
            return
        if self.loop.time() < self._head_due:
            self._head_timer = self.loop.call_at(self._head_due, self._check_head)
        else:
            self.transport.close()
