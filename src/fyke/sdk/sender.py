"""The sending half of a connection: replies in order of readiness, within the client's windows.

What is to be sent in one turn of the event loop is collected and written at once. Large replies
(an input of some MB) go out frame by frame as the client opens its windows, and not at all while
the socket is full.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from fyke.sdk import frames
from fyke.sdk.frames import DATA, FLOW_CONTROL_ERROR, FRAME_BYTES, MAX_WINDOW, ProtocolError

UNREAD_BYTES = 256 * 2**20  # replies that a client asked for and does not take
BURST_BYTES = 256 * 1024


class CallReply:
    """A reply that did not fit at once. The message is shared, never copied, until it is sent."""

    __slots__ = ("_at", "_message", "_prefix", "left", "stream")

    def __init__(self, stream: int, message: bytes) -> None:
        self.stream = stream
        self.left = len(message) + 5
        self._prefix = _prefix(message)
        self._message = message
        self._at = 0

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        head = self._prefix[:size]
        self._prefix = self._prefix[size:]
        end = self._at + size - len(head)
        body = self._message[self._at : end]
        self._at = end
        self.left -= size
        return head + body


class Sender:
    """Collects, bounds and writes. ``sent`` is called with the stream when its reply is out."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport,
        sent: Callable[[int], None],
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._sent = sent
        self._out: list[bytes] = []
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
        self._out.append(data)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self.flush)

    def cork(self) -> None:
        """Schedule no flush: the caller will call ``flush`` itself."""
        self._flush_due = True

    def open(self, stream: int) -> None:
        self._stream_windows[stream] = self._initial_window

    def drop(self, stream: int) -> None:
        """Forget a stream, and its reply if there is one waiting."""
        self._stream_windows.pop(stream, None)
        for reply in self._pending:
            if reply.stream == stream:
                self._pending_bytes -= reply.left
                self._pending.remove(reply)
                return

    def reply(self, stream: int, message: bytes) -> None:
        """Send a reply; a large one takes as long as the client's windows want."""
        size = len(message) + 5
        room = min(self._window, self._stream_windows[stream], FRAME_BYTES)
        if size <= room and not self._pending:
            self._window -= size
            self.put(frames.short_reply(stream, _prefix(message) + message))
            self._sent(stream)
            return
        self._pending_bytes += size
        if self._pending_bytes > UNREAD_BYTES:
            raise ProtocolError(frames.ENHANCE_YOUR_CALM, "too many unread replies")
        self.put(frames.reply_start(stream))
        self._pending.append(CallReply(stream, message))

    def error(self, stream: int, status: int, message: str) -> None:
        self.put(frames.error_reply(stream, status, message))
        self._sent(stream)

    # --- windows ------------------------------------------------------------------------

    def widen(self, stream: int, amount: int) -> None:
        """The client takes ``amount`` more bytes, on a stream or (0) on the connection."""
        if stream == 0:
            self._window = _widened(self._window, amount)
        elif stream in self._stream_windows:
            window = self._stream_windows[stream]
            self._stream_windows[stream] = _widened(window, amount)
        if self._pending:
            self._flush_soon()

    def set_initial_window(self, size: int) -> None:
        """A change counts for the open streams too, and may make their windows negative."""
        change = size - self._initial_window
        self._initial_window = size
        for stream, window in self._stream_windows.items():
            self._stream_windows[stream] = _widened(window, change)
        if self._pending:
            self._flush_soon()

    # --- writing ------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what is collected and as much of the waiting replies as may go now."""
        self._flush_due = False
        if self._pending and self.writable:
            self._send_pending()
        if self._out:
            data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out.clear()
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
            if reply.left:
                self._pending.append(reply)
            else:
                self._out.append(frames.reply_end(reply.stream))
                self._sent(reply.stream)
        if budget <= 0 and self._pending:
            self._flush_soon()

    def _send_some(self, reply: CallReply, budget: int) -> int:
        """Send of this reply what fits; return how many bytes that were."""
        before = reply.left
        while reply.left and before - reply.left < budget:
            window = self._stream_windows[reply.stream]
            size = min(reply.left, self._window, window, FRAME_BYTES)
            if size <= 0:
                break
            self._out.append(frames.frame(DATA, 0, reply.stream, reply.take(size)))
            self._window -= size
            self._stream_windows[reply.stream] = window - size
        self._pending_bytes -= before - reply.left
        return before - reply.left


def _prefix(message: bytes) -> bytes:
    return b"\x00" + len(message).to_bytes(4, "big")


def _widened(window: int, amount: int) -> int:
    if window + amount > MAX_WINDOW:
        raise ProtocolError(FLOW_CONTROL_ERROR, "a window over 2^31-1")
    return window + amount
