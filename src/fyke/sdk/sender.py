"""The sending half of a connection: sends replies within the client's windows.

The output of one turn of the event loop is written at once. Large replies (an input of some MB) are
sent frame by frame as the client opens its windows, and not while the socket's buffer is full.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from fyke.sdk import frames
from fyke.sdk.frames import DATA, FLOW_CONTROL_ERROR, FRAME_BYTES, MAX_WINDOW, ProtocolError

UNREAD_BYTES = 256 * 2**20  # of replies that the client does not read
BURST_BYTES = 256 * 1024


class CallReply:
    """A reply that did not fit at once. The message is copied only when it is sent."""

    __slots__ = ("_message", "_offset", "_prefix", "remaining", "stream")

    def __init__(self, stream: int, message: bytes) -> None:
        self.stream = stream
        self.remaining = len(message) + 5
        self._prefix = _prefix(message)
        self._message = message
        self._offset = 0

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        head = self._prefix[:size]
        self._prefix = self._prefix[size:]
        end = self._offset + size - len(head)
        body = self._message[self._offset : end]
        self._offset = end
        self.remaining -= size
        return head + body


class Sender:
    """Writes replies. ``on_sent`` is called with the stream when its reply is complete."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport,
        on_sent: Callable[[int], None],
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._on_sent = on_sent
        self._output: list[bytes] = []
        self._flush_due = False
        self._pending: deque[CallReply] = deque()
        self._pending_bytes = 0
        self._window = frames.DEFAULT_WINDOW
        self._stream_windows: dict[int, int] = {}
        self._initial_window = frames.DEFAULT_WINDOW
        self.writable = True

    # --- what is to be sent -------------------------------------------------------------

    def put(self, data: bytes) -> None:
        """Send with the next flush."""
        self._output.append(data)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self.flush)

    def cork(self) -> None:
        """Schedule no flush, because the caller will call ``flush``."""
        self._flush_due = True

    def open(self, stream: int) -> None:
        self._stream_windows[stream] = self._initial_window

    def drop(self, stream: int) -> None:
        """Remove a stream and its pending reply."""
        self._stream_windows.pop(stream, None)
        for reply in self._pending:
            if reply.stream == stream:
                self._pending_bytes -= reply.remaining
                self._pending.remove(reply)
                return

    def reply(self, stream: int, message: bytes) -> None:
        """Send a reply, a large one as the client's windows allow. Raise ``ProtocolError``."""
        size = len(message) + 5
        space = min(self._window, self._stream_windows[stream], FRAME_BYTES)
        if size <= space and not self._pending:
            self._window -= size
            self.put(frames.short_reply(stream, _prefix(message) + message))
            self._on_sent(stream)
            return
        self._pending_bytes += size
        if self._pending_bytes > UNREAD_BYTES:
            raise ProtocolError(frames.ENHANCE_YOUR_CALM, "too many unread replies")
        self.put(frames.reply_start(stream))
        self._pending.append(CallReply(stream, message))

    def error(self, stream: int, status: int, message: str) -> None:
        self.put(frames.error_reply(stream, status, message))
        self._on_sent(stream)

    # --- windows ------------------------------------------------------------------------

    def increase_window(self, stream: int, amount: int) -> None:
        """Allow ``amount`` more bytes on a stream, or on the connection (0)."""
        if stream == 0:
            self._window = _increased(self._window, amount)
        elif stream in self._stream_windows:
            window = self._stream_windows[stream]
            self._stream_windows[stream] = _increased(window, amount)
        if self._pending:
            self._flush_soon()

    def set_initial_window(self, size: int) -> None:
        """Change the windows of open streams by the same amount; they may become negative."""
        change = size - self._initial_window
        self._initial_window = size
        for stream, window in self._stream_windows.items():
            self._stream_windows[stream] = _increased(window, change)
        if self._pending:
            self._flush_soon()

    # --- writing ------------------------------------------------------------------------

    def flush(self) -> None:
        """Write the collected output and as much of the pending replies as possible."""
        self._flush_due = False
        if self._pending and self.writable:
            self._send_pending()
        if self._output:
            data = self._output[0] if len(self._output) == 1 else b"".join(self._output)
            self._output.clear()
            if not self._transport.is_closing():
                self._transport.write(data)

    def _flush_soon(self) -> None:
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self.flush)

    def _send_pending(self) -> None:
        budget = BURST_BYTES
        for _ in range(len(self._pending)):
            if budget <= 0 or self._window <= 0:
                break
            reply = self._pending.popleft()
            budget -= self._send_some(reply, budget)
            if reply.remaining:
                self._pending.append(reply)
            else:
                self._output.append(frames.reply_end(reply.stream))
                self._on_sent(reply.stream)
        if budget <= 0 and self._pending:
            self._flush_soon()

    def _send_some(self, reply: CallReply, budget: int) -> int:
        """Send as much of a reply as possible; return the number of bytes."""
        before = reply.remaining
        while reply.remaining and before - reply.remaining < budget:
            window = self._stream_windows[reply.stream]
            size = min(reply.remaining, self._window, window, FRAME_BYTES)
            if size <= 0:
                break
            self._output.append(frames.frame(DATA, 0, reply.stream, reply.take(size)))
            self._window -= size
            self._stream_windows[reply.stream] = window - size
        self._pending_bytes -= before - reply.remaining
        return before - reply.remaining


def _prefix(message: bytes) -> bytes:
    return b"\x00" + len(message).to_bytes(4, "big")


def _increased(window: int, amount: int) -> int:
    if window + amount > MAX_WINDOW:
        raise ProtocolError(FLOW_CONTROL_ERROR, "a window over 2^31-1")
    return window + amount
