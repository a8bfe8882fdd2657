"""One HTTP/2 connection of a Worker: receives frames and starts calls.

Only what unary gRPC needs is implemented, and everything that could stall the runner is bounded:
streams, header blocks, messages, unread replies, frames that complete no call. A handler may take
any time; its reply is dropped when the stream has been closed by then.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import structlog

from fyke.sdk import frames
from fyke.sdk.frames import (
    ACK,
    CONTINUATION,
    DATA,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_BYTES,
    FRAME_SIZE_ERROR,
    HEADERS,
    MAX_WINDOW,
    PROTOCOL_ERROR,
    SETTINGS,
    ProtocolError,
)
from fyke.sdk.headers import MAX_BLOCK_BYTES, PathReader
from fyke.sdk.sender import Sender
from fyke.sdk.status import Internal, ResourceExhausted, RpcError, Unimplemented

if TYPE_CHECKING:
    from fyke.sdk.server import SdkServer

SMALL_PIECE = 64  # bytes of DATA; a normal call has at most one such frame, the message's prefix
MAX_STREAMS = 1000
MAX_MESSAGE_BYTES = 16 * 2**20
RECEIVE_WINDOW = 16 * 2**20
# the cost of a call beyond its frames: later steps of its handler (before Python 3.12 all steps are
# later ones) and its reply
CALL_SECONDS = 20e-6 if sys.version_info >= (3, 12) else 60e-6
SECONDS_PER_BYTE = 1e-8  # to decode and store the message

log = structlog.get_logger()

_GREETING = frames.settings(
    {frames.MAX_CONCURRENT_STREAMS: MAX_STREAMS, frames.MAX_HEADER_LIST_SIZE: MAX_BLOCK_BYTES}
) + frames.window_update(0, RECEIVE_WINDOW - DEFAULT_WINDOW)


class SdkStream:
    """A call: its request while it arrives, and whether the stream is open for the reply."""

    __slots__ = ("body", "granted", "id", "open", "path", "running", "size", "window")

    def __init__(self, id: int, path: str) -> None:
        self.id = id
        self.path = path
        self.body = bytearray()
        self.size = -1  # bytes of prefix and message; -1 until the prefix has arrived
        self.window = DEFAULT_WINDOW  # bytes that the client may still send
        self.granted = 0  # bytes admitted beyond the first window
        self.open = True
        self.running = False


class SdkConnection(asyncio.Protocol):
    """Created by ``SdkServer`` for every connection that it accepts."""

    def __init__(self, server: SdkServer) -> None:
        self._server = server
        self._limiter = server.limiter
        self._buffer = b""
        self._position = 0
        self._preface_received = False
        self._settings_received = False
        self._block: tuple[int, int, bytearray] | None = None  # stream, flags, header block
        self._paths = PathReader()
        self._streams: dict[int, SdkStream] = {}
        self._last_stream = 0
        self._window = RECEIVE_WINDOW
        self._next_work: asyncio.Handle | None = None
        self._ended = False

    # --- transport ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's
        self.transport = cast(asyncio.Transport, transport)
        self._sender = Sender(self._server.loop, self.transport, self._reply_sent)
        if not self._server.admit(self):
            self._ended = True
            self.transport.abort()
            return
        self.transport.write(_GREETING)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._cancel_work()
        for stream in list(self._streams.values()):
            self._close(stream)
        self._server.forget(self)

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        has_rest = len(self._buffer) - self._position
        self._buffer = self._buffer[self._position :] + data if has_rest else data
        self._position = 0
        if self._next_work is None:
            self._work()

    def pause_writing(self) -> None:
        """The client does not read its responses: stop reading its requests."""
        self._sender.writable = False
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self._sender.writable = True
        self._sender.flush()
        if self._next_work is None and not self._ended:
            self._work()

    def shut_down(self) -> None:
        """End the connection with GOAWAY, because the service ends."""
        if not self._ended:
            self._end(frames.NO_ERROR, "")

    # --- work, in turns -----------------------------------------------------------------

    def _work(self) -> None:
        """Process frames until there are none, or the attempt's turn or budget is used up."""
        self._next_work = None
        if self._ended:
            return
        self._sender.cork()
        is_outermost = self._limiter.begin_work()
        try:
            has_more = self._take_frames()
        except ProtocolError as error:
            self._end(error.code, error.reason)
            return
        except Exception:
            log.exception("sdk_connection_failed")
            self._end(2, "internal error")
            return
        finally:
            if is_outermost:
                self._limiter.end_work()
        self._sender.flush()
        if self._ended:
            return
        pause = self._limiter.pause()
        if pause:
            self.transport.pause_reading()
            self._next_work = self._server.loop.call_later(pause, self._work)
        elif has_more:
            self.transport.pause_reading()
            self._next_work = self._server.loop.call_soon(self._work)
        elif self._sender.writable and not self.transport.is_reading():
            self.transport.resume_reading()

    def _cancel_work(self) -> None:
        if self._next_work is not None:
            self._next_work.cancel()
            self._next_work = None

    def _take_frames(self) -> bool:
        """Process frames; return whether complete ones may be left."""
        if not self._preface_received and not self._take_preface():
            return False
        data, at, limiter = self._buffer, self._position, self._limiter
        try:
            while len(data) - at >= frames.HEAD:
                if limiter.units <= 0 or limiter.is_over_budget or not self._sender.writable:
                    return True
                length_and_kind, flags, stream = frames.unpack_head(data, at)
                size = length_and_kind >> 8
                if size > FRAME_BYTES:
                    raise ProtocolError(FRAME_SIZE_ERROR, "a frame over 16 KiB")
                end = at + frames.HEAD + size
                if end > len(data):
                    break
                payload = data[at + frames.HEAD : end]
                at = end
                self._dispatch(length_and_kind & 0xFF, flags, stream & MAX_WINDOW, payload)
        finally:
            self._position = at
        return False

    def _take_preface(self) -> bool:
        size = len(frames.PREFACE)
        if not frames.PREFACE.startswith(self._buffer[:size]):
            raise ProtocolError(PROTOCOL_ERROR, "this is not HTTP/2")
        if len(self._buffer) < size:
            return False
        self._position = size
        self._preface_received = True
        return True

    def _dispatch(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if self._block is not None and kind != CONTINUATION:
            raise ProtocolError(PROTOCOL_ERROR, "a header block was interrupted")
        if kind == DATA:
            self._on_data(flags, stream, payload)
        elif kind == HEADERS:
            self._on_headers(flags, stream, payload)
        else:
            self._limiter.spend(1)
            self._limiter.charge()
            handle = _CONTROL.get(kind)
            if handle is not None:
                handle(self, flags, stream, payload)
        if not self._settings_received:
            if kind != SETTINGS:
                raise ProtocolError(PROTOCOL_ERROR, "the first frame has to be SETTINGS")
            self._settings_received = True

    # --- requests -----------------------------------------------------------------------

    def _on_headers(self, flags: int, stream: int, payload: bytes) -> None:
        block = frames.unpadded(flags, payload)
        if flags & frames.HAS_PRIORITY:
            if len(block) < 5:
                raise ProtocolError(FRAME_SIZE_ERROR, "HEADERS too short")
            block = block[5:]
        if flags & END_HEADERS:
            self._on_block(flags, stream, block)
        else:
            self._limiter.spend(1)
            self._limiter.charge()
            self._block = (stream, flags, bytearray(block))

    def _on_continuation(self, flags: int, stream: int, payload: bytes) -> None:
        if self._block is None or self._block[0] != stream:
            raise ProtocolError(PROTOCOL_ERROR, "CONTINUATION without HEADERS")
        first_flags, block = self._block[1:]
        block += payload
        if len(block) > MAX_BLOCK_BYTES:
            raise ProtocolError(ENHANCE_YOUR_CALM, "a header block over 64 KiB")
        if flags & END_HEADERS:
            self._block = None
            self._on_block(first_flags, stream, bytes(block))

    def _on_block(self, flags: int, id: int, block: bytes) -> None:
        self._limiter.spend(1 + (len(block) >> 6))
        if id in self._streams:
            self._on_trailers(flags, id, block)
            return
        if not id % 2 or id <= self._last_stream:
            raise ProtocolError(PROTOCOL_ERROR, "an invalid stream number")
        self._last_stream = id
        path = self._paths.path(block)
        if len(self._streams) >= MAX_STREAMS or not self._server.open_stream():
            self._limiter.charge()
            self._sender.put(frames.reset(id, frames.REFUSED_STREAM))
            return
        stream = SdkStream(id, path)
        self._streams[id] = stream
        self._sender.open(id)
        if flags & END_STREAM:
            self._request_complete(stream)

    def _on_trailers(self, flags: int, id: int, block: bytes) -> None:
        self._paths.skip(block)
        if not flags & END_STREAM:
            raise ProtocolError(PROTOCOL_ERROR, "HEADERS twice on one stream")
        stream = self._streams[id]
        if not stream.running:
            self._request_complete(stream)

    def _on_data(self, flags: int, id: int, payload: bytes) -> None:
        self._limiter.spend(1)
        size = len(payload)
        self._receive(size)
        if size < SMALL_PIECE and not flags & END_STREAM:
            self._limiter.charge(0.25 if size else 1.0)
        stream = self._streams.get(id)
        if stream is None or stream.running:
            if id > self._last_stream or not id % 2:
                raise ProtocolError(PROTOCOL_ERROR, "DATA on a stream that was never opened")
            self._limiter.charge()
            return
        stream.window -= size
        if stream.window < 0:
            raise ProtocolError(FLOW_CONTROL_ERROR, "more DATA than the stream's window")
        if flags & frames.PADDED:
            payload = self._without_padding(stream, flags, payload)
        stream.body += payload
        if stream.size < 0 and len(stream.body) >= 5 and not self._read_length(stream):
            return
        if flags & END_STREAM:
            self._request_complete(stream)

    def _without_padding(self, stream: SdkStream, flags: int, payload: bytes) -> bytes:
        """Remove padding and return its bytes to the window, which is for the message alone."""
        self._limiter.charge(0.1)
        content = frames.unpadded(flags, payload)
        padding = len(payload) - len(content)
        stream.window += padding
        self._sender.put(frames.window_update(stream.id, padding))
        return content

    def _receive(self, size: int) -> None:
        """Count DATA against the connection's window, and reopen it when half of it is used."""
        self._window -= size
        if self._window < 0:
            raise ProtocolError(FLOW_CONTROL_ERROR, "more DATA than the connection's window")
        if size > 4096:
            self._limiter.credit(size / 16384)
        if self._window < RECEIVE_WINDOW // 2:
            self._sender.put(frames.window_update(0, RECEIVE_WINDOW - self._window))
            self._window = RECEIVE_WINDOW

    def _read_length(self, stream: SdkStream) -> bool:
        """Read the message's length; request admission of a large one. False if it is too long."""
        stream.size = 5 + int.from_bytes(stream.body[1:5], "big")
        if stream.size > 5 + MAX_MESSAGE_BYTES:
            self._fail(stream, ResourceExhausted(_too_long(stream.size - 5)))
            # the client stops sending when it receives this
            self._sender.put(frames.reset(stream.id, frames.NO_ERROR))
            return False
        if stream.size > DEFAULT_WINDOW:
            self._server.admission.request(stream.size, lambda: self._grant(stream))
        return True

    def _grant(self, stream: SdkStream) -> bool:
        if not stream.open:
            return False
        stream.granted = stream.size
        stream.window += stream.size
        self._sender.put(frames.window_update(stream.id, stream.size))
        return True

    def _request_complete(self, stream: SdkStream) -> None:
        body = stream.body
        if stream.size != len(body):
            self._fail(stream, Internal("The request is not one whole gRPC message."))
        elif body[0]:
            self._fail(stream, Unimplemented("Compressed messages are not supported."))
        else:
            self._limiter.spend(4 + (len(body) >> 11))
            self._limiter.add_debt(CALL_SECONDS + len(body) * SECONDS_PER_BYTE)
            stream.body = bytearray()
            stream.running = True
            self._server.start(self._call(stream, bytes(memoryview(body)[5:])))

    # --- replies ------------------------------------------------------------------------

    async def _call(self, stream: SdkStream, message: bytes) -> None:
        try:
            reply = await self._server.handler(stream.path, message)
        except RpcError as error:
            self._finish_call(stream, None, error)
        except asyncio.CancelledError:
            self._finish_call(stream, None, Internal("The service is ending."))
            raise
        except Exception:
            log.exception("sdk_call_failed", path=stream.path)
            self._finish_call(stream, None, Internal("The call failed on our side."))
        else:
            self._finish_call(stream, reply, None)

    def _finish_call(self, stream: SdkStream, reply: bytes | None, error: RpcError | None) -> None:
        stream.running = False
        if not stream.open:  # reset by the client, or the connection is closed
            self._release(stream)
        elif reply is None:
            self._fail(stream, error or Internal("No reply."))
        else:
            self._limiter.credit()
            try:
                self._sender.reply(stream.id, reply)
            except ProtocolError as broken:
                self._end(broken.code, broken.reason)

    def _fail(self, stream: SdkStream, error: RpcError) -> None:
        self._sender.error(stream.id, error.status, error.message)

    def _reply_sent(self, id: int) -> None:
        stream = self._streams.get(id)
        if stream is not None:
            self._close(stream)

    def _close(self, stream: SdkStream) -> None:
        """Close the stream. Its memory stays admitted while its handler runs."""
        stream.open = False
        stream.body = bytearray()
        del self._streams[stream.id]
        self._sender.drop(stream.id)
        if not stream.running:
            self._release(stream)

    def _release(self, stream: SdkStream) -> None:
        if stream.granted:
            self._server.admission.release(stream.granted)
            stream.granted = 0
        self._server.close_stream()

    def _end(self, code: int, reason: str) -> None:
        """Send GOAWAY and close the connection."""
        self._ended = True
        self._cancel_work()
        self._sender.put(frames.goaway(self._last_stream, code, reason))
        self._sender.flush()
        self.transport.close()

    # --- control ------------------------------------------------------------------------

    def _on_settings(self, flags: int, stream: int, payload: bytes) -> None:
        if stream or (flags & ACK and payload):
            raise ProtocolError(PROTOCOL_ERROR, "invalid SETTINGS")
        if flags & ACK:
            return
        for key, value in frames.read_settings(payload):
            if key == frames.INITIAL_WINDOW_SIZE:
                if value > MAX_WINDOW:
                    raise ProtocolError(FLOW_CONTROL_ERROR, "a window over 2^31-1")
                self._limiter.spend(1 + len(self._streams) // 16)
                self._sender.set_initial_window(value)
            elif key == frames.MAX_FRAME_SIZE and not FRAME_BYTES <= value < 2**24:
                raise ProtocolError(PROTOCOL_ERROR, "an invalid frame size")
        self._sender.put(frames.frame(SETTINGS, ACK, 0))

    def _on_ping(self, flags: int, stream: int, payload: bytes) -> None:
        if stream:
            raise ProtocolError(PROTOCOL_ERROR, "PING on a stream")
        if len(payload) != 8:
            raise ProtocolError(FRAME_SIZE_ERROR, "PING of invalid length")
        if not flags & ACK:
            self._sender.put(frames.frame(frames.PING, ACK, 0, payload))

    def _on_window_update(self, flags: int, stream: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ProtocolError(FRAME_SIZE_ERROR, "WINDOW_UPDATE of invalid length")
        amount = int.from_bytes(payload, "big") & MAX_WINDOW
        if not amount or stream > self._last_stream:
            raise ProtocolError(PROTOCOL_ERROR, "an invalid WINDOW_UPDATE")
        self._sender.increase_window(stream, amount)

    def _on_reset(self, flags: int, stream: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ProtocolError(FRAME_SIZE_ERROR, "RST_STREAM of invalid length")
        if not stream or stream > self._last_stream:
            raise ProtocolError(PROTOCOL_ERROR, "RST_STREAM of a stream that was never opened")
        call = self._streams.get(stream)
        if call is not None:
            self._close(call)

    def _on_priority(self, flags: int, stream: int, payload: bytes) -> None:
        if len(payload) != 5:
            raise ProtocolError(FRAME_SIZE_ERROR, "PRIORITY of invalid length")

    def _on_push_promise(self, flags: int, stream: int, payload: bytes) -> None:
        raise ProtocolError(PROTOCOL_ERROR, "a client cannot push")


_CONTROL: dict[int, Callable[[SdkConnection, int, int, bytes], None]] = {
    frames.CONTINUATION: SdkConnection._on_continuation,
    frames.PING: SdkConnection._on_ping,
    frames.PRIORITY: SdkConnection._on_priority,
    frames.PUSH_PROMISE: SdkConnection._on_push_promise,
    frames.RST_STREAM: SdkConnection._on_reset,
    frames.SETTINGS: SdkConnection._on_settings,
    frames.WINDOW_UPDATE: SdkConnection._on_window_update,
}


def _too_long(size: int) -> str:
    return f"The message has {size} bytes; the limit is {MAX_MESSAGE_BYTES} bytes (16 MiB)."
