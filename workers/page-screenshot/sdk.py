"""The SDK of a Python Worker: read the input, push rows, write log lines, report progress.

    from sdk import CoreSDK

    task = CoreSDK.Parameter.get_input_json_dict()
    CoreSDK.Result.push_data({"url": task["url"]})
    CoreSDK.Log.info("done")
    CoreSDK.Progress.set(1, 20, "first page")  # shown by Fyke, ignored by other platforms

Every call returns when the platform has completed it: a row that was pushed is on its disk.
A refusal (a row over 8 MiB, a run that is full) raises ``SDKError``, whose text names the limit.
Calls are allowed from any thread and from forked processes. Only the standard library is needed,
and the connection is opened by the first call, so importing this file takes almost no time.
``sdk_pb2`` and ``sdk_pb2_grpc`` are for Workers that use another gRPC client.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, TypedDict

    class TableHeader(TypedDict, total=False):
        """One column. ``format`` is text, number, integer, boolean, array or object."""

        label: str
        key: str
        format: str


ADDRESS = "127.0.0.1:20086"
PACKAGE = "coresdk"
MAX_CONNECTIONS = 8  # of this process; further threads wait
CONNECT_SECONDS = 10.0

_UNIMPLEMENTED, _UNAVAILABLE = 12, 14
_WINDOW = 2**31 - 1
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = (
    0, 1, 3, 4, 6, 7, 8, 9,
)  # fmt: skip
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _PRIORITY = 1, 1, 4, 8, 32
_NO_ERROR, _CANCEL = 0, 8


class SDKError(RuntimeError):
    """The platform refused a call; ``code`` is its answer."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message or f"the platform answered code {code}")
        self.code = code


class Response:
    """The answer of the platform; ``code`` is always 0, because another one raises."""

    __slots__ = ("code", "message")

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        self.message = message

    def __repr__(self) -> str:
        return f"Response(code={self.code}, message={self.message!r})"


# --- messages ---------------------------------------------------------------------------------


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, content: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + _number(len(content)) + content if content else b""


def _read(message: bytes) -> tuple[int, str]:
    """Field 1, a number, and field 2, a text, of an answer of the platform."""
    code, text, at = 0, b"", 0
    while at < len(message):
        tag, at = _read_number(message, at)
        if tag & 7 == 2:
            size, at = _read_number(message, at)
            if tag >> 3 == 2:
                text = message[at : at + size]
            at += size
        elif tag & 7 == 0:
            value, at = _read_number(message, at)
            if tag >> 3 == 1:
                code = value
        else:
            at += 8 if tag & 7 == 1 else 4
    return code, text.decode("utf-8", "replace")


def _read_number(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


# --- the connection: as much of gRPC over HTTP/2 as single calls need ----------------------------


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
    return head + payload


def _literal(name: bytes, value: bytes) -> bytes:
    return b"\x00" + bytes((len(name),)) + name + bytes((len(value),)) + value


_GREETING = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    # no header table, no server push, and a window for any answer
    + _frame(
        _SETTINGS, 0, 0, bytes((0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 4)) + b"\x7f\xff\xff\xff"
    )
    + _frame(_WINDOW_UPDATE, 0, 0, (_WINDOW - 65535).to_bytes(4, "big"))
)


class _Lost(Exception):
    """The connection was closed, or its content is not HTTP/2."""


class _Connection:
    """One connection, for one call at a time."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), CONNECT_SECONDS)
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._incoming = self._socket.makefile("rb", 65536)
        self._fields = (
            b"\x83\x86"  # POST, http
            + _literal(b":authority", address.encode())
            + _literal(b"te", b"trailers")
            + _literal(b"content-type", b"application/grpc")
        )
        self._stream = -1
        self._room = 65535  # bytes that may be sent on the connection
        self._first_room = 65535  # and on a new stream
        self._stream_room = 0
        self._frame_size = 16384
        self._unacknowledged = 0
        self.usable = True
        self._socket.sendall(_GREETING)
        self._greeted = False
        while not self._greeted:  # a refused connection fails here, before a row is sent
            self._take_frame()

    def close(self) -> None:
        self._incoming.close()
        self._socket.close()

    def call(self, path: str, message: bytes) -> bytes:
        """Return the reply to a message. Raise ``SDKError`` for a failed call, ``_Lost``."""
        self._stream += 2
        self._stream_room = self._first_room
        self._reply, self._status, self._words, self._ended = bytearray(), "", "", False
        block = self._fields + _literal(b":path", path.encode())
        body = b"\x00" + len(message).to_bytes(4, "big") + message
        head = _frame(_HEADERS, _END_HEADERS, self._stream, block)
        size = len(body)
        if size <= min(self._room, self._stream_room, self._frame_size):
            self._room -= size
            self._socket.sendall(head + _frame(_DATA, _END_STREAM, self._stream, body))
        else:
            self._socket.sendall(head)
            self._send(memoryview(body))
        while not self._ended:
            self._take_frame()
        return self._answer()

    def _send(self, body: memoryview) -> None:
        """Send a large message as the windows of the platform allow."""
        at = 0
        while at < len(body) and not self._ended:
            size = min(self._room, self._stream_room, self._frame_size, len(body) - at)
            if size <= 0:
                self._take_frame()
                continue
            last = _END_STREAM if at + size == len(body) else 0
            self._socket.sendall(_frame(_DATA, last, self._stream, bytes(body[at : at + size])))
            self._room -= size
            self._stream_room -= size
            at += size
        if at < len(body):  # refused before everything was sent
            self._socket.sendall(_frame(_RESET, 0, self._stream, bytes((0, 0, 0, _CANCEL))))

    def _answer(self) -> bytes:
        reply = bytes(self._reply)
        if self._status not in ("", "0"):
            from urllib.parse import unquote

            raise SDKError(int(self._status), unquote(self._words))
        if len(reply) < 5 or int.from_bytes(reply[1:5], "big") != len(reply) - 5:
            raise _Lost("the answer is truncated")
        return reply[5:]

    def _take_frame(self) -> None:
        kind, flags, stream, payload = self._next_frame()
        if kind == _DATA:
            self._acknowledge(len(payload))
            if stream == self._stream:
                self._reply += _without_padding(flags, payload)
                self._ended = self._ended or bool(flags & _END_STREAM)
        elif kind == _HEADERS:
            self._take_headers(flags, stream, payload)
        elif kind == _RESET and stream == self._stream and not self._ended:
            self.usable = False
            raise _Lost("the call was aborted")
        else:
            self._take_control(kind, flags, stream, payload)

    def _take_control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _SETTINGS:
            self._greeted = True
            if not flags & _ACK:
                self._take_settings(payload)
        elif kind == _WINDOW_UPDATE:
            more = int.from_bytes(payload, "big") & _WINDOW
            if stream == 0:
                self._room += more
            elif stream == self._stream:
                self._stream_room += more
        elif kind == _PING and not flags & _ACK:
            self._socket.sendall(_frame(_PING, _ACK, 0, payload))
        elif kind == _GOAWAY:
            self.usable = False
            if int.from_bytes(payload[:4], "big") & _WINDOW < self._stream:
                raise _Lost("the platform ends the connection")

    def _next_frame(self) -> tuple[int, int, int, bytes]:
        head = self._incoming.read(9)
        size = int.from_bytes(head[:3], "big")
        payload = self._incoming.read(size) if size else b""
        if len(head) < 9 or len(payload) < size:
            raise _Lost("the platform closed the connection")
        return head[3], head[4], int.from_bytes(head[5:], "big") & _WINDOW, payload

    def _acknowledge(self, size: int) -> None:
        self._unacknowledged += size
        if self._unacknowledged > _WINDOW // 2:
            update = self._unacknowledged.to_bytes(4, "big")
            self._socket.sendall(_frame(_WINDOW_UPDATE, 0, 0, update))
            self._unacknowledged = 0

    def _take_headers(self, flags: int, stream: int, payload: bytes) -> None:
        block = _without_padding(flags, payload)
        if flags & _PRIORITY:
            block = block[5:]
        ends = flags & _END_STREAM
        while not flags & _END_HEADERS:
            _, flags, _, more = self._next_frame()
            block += more
        if stream != self._stream:
            return
        fields = _literals(block)
        self._status = fields.get(b"grpc-status", self._status.encode()).decode("ascii", "replace")
        self._words = fields.get(b"grpc-message", self._words.encode()).decode("ascii", "replace")
        self._ended = self._ended or bool(ends)

    def _take_settings(self, payload: bytes) -> None:
        for at in range(0, len(payload), 6):
            key = int.from_bytes(payload[at : at + 2], "big")
            value = int.from_bytes(payload[at + 2 : at + 6], "big")
            if key == 4:
                self._stream_room += value - self._first_room
                self._first_room = value
            elif key == 5:
                self._frame_size = value
        self._socket.sendall(_frame(_SETTINGS, _ACK, 0))


def _without_padding(flags: int, payload: bytes) -> bytes:
    return payload[1 : len(payload) - payload[0]] if flags & _PADDED else payload


def _literals(block: bytes) -> dict[bytes, bytes]:
    """The header fields that are literals, as the platform sends them.

    Fields of another server may be missing. They would only contain the reason of a failed call,
    whose reply is empty.
    """
    fields = {}
    at = 0
    try:
        while at < len(block):
            first = block[at]
            if first & 0x80:
                _, at = _prefixed(block, at, 7)
                continue
            if first & 0xE0 == 0x20:
                _, at = _prefixed(block, at, 5)
                continue
            index, at = _prefixed(block, at, 6 if first & 0x40 else 4)
            name, at = (b"", at) if index else _string(block, at)
            value, at = _string(block, at)
            fields[name] = value
    except IndexError:
        pass
    return fields


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    coded = block[at] & 0x80
    size, at = _prefixed(block, at, 7)
    return b"" if coded else block[at : at + size], at + size


def _prefixed(block: bytes, at: int, bits: int) -> tuple[int, int]:
    full = (1 << bits) - 1
    value, at, shift = block[at] & full, at + 1, 0
    if value == full:
        while True:
            byte = block[at]
            value += (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                break
    return value, at


class _Connections:
    """The connections of this process. Concurrent calls use separate connections."""

    def __init__(self) -> None:
        self._idle: list[_Connection] = []
        self._room = threading.Semaphore(MAX_CONNECTIONS)

    def call(self, path: str, message: bytes) -> tuple[int, str]:
        with self._room:
            connection = None
            try:
                connection = self._idle.pop() if self._idle else _connect()
                answer = _read(connection.call(path, message))
            except SDKError:
                self._give_back(connection)
                raise
            except (OSError, _Lost, IndexError, ValueError) as error:
                _close(connection)
                text = f"no answer from the platform: {error}"
                raise SDKError(_UNAVAILABLE, text) from error
            except BaseException:
                _close(connection)  # the answer was not read completely
                raise
            self._give_back(connection)
            return answer

    def _give_back(self, connection: _Connection | None) -> None:
        if connection is not None and connection.usable:
            self._idle.append(connection)
        else:
            _close(connection)


def _connect() -> _Connection:
    """Connect; retry for a while, because the platform limits the number of connections."""
    until = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            return _Connection(ADDRESS)
        except (OSError, _Lost) as error:
            if isinstance(error, ConnectionRefusedError) or time.monotonic() > until:
                raise
            time.sleep(0.05)


def _close(connection: _Connection | None) -> None:
    if connection is not None:
        connection.close()


_connections = _Connections()


def _forget_connections() -> None:
    """A forked process must not use the connections of its parent."""
    global _connections
    _connections = _Connections()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_connections)


def _call(method: str, message: bytes) -> Response:
    code, text = _connections.call(f"/{PACKAGE}.{method}", message)
    if code:
        raise SDKError(code, text)
    return Response(code, text)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


# --- what Workers use ----------------------------------------------------------------------------


class Parameter:
    """The input of this task."""

    @staticmethod
    def get_input_json_str() -> str:
        """The input as JSON text; ``{}`` when there is none."""
        return _call("Parameter/GetInputJSONString", b"").message or "{}"

    @staticmethod
    def get_input_json_dict() -> dict[str, Any]:
        """The input as Python values."""
        value: dict[str, Any] = json.loads(Parameter.get_input_json_str())
        return value


class Result:
    """Columns and rows of this task."""

    @staticmethod
    def set_table_header(headers: Iterable[TableHeader]) -> Response:
        """Declare the columns. The last call counts."""
        items = (
            b"".join(
                _field(number, _encoded(str(header.get(key, ""))))
                for number, key in ((1, "label"), (2, "key"), (3, "format"))
            )
            for header in headers
        )
        # an item without texts is still an item
        message = b"".join(b"\x0a" + _number(len(item)) + item for item in items)
        return _call("Result/SetTableHeader", message)

    @staticmethod
    def push_data(obj: Any) -> Response:
        """Store one row, normally a dict. Return when it is stored."""
        try:
            text = json.dumps(obj, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            # a lone surrogate is sent escaped, and the platform replaces it
            text = json.dumps(obj).encode()
        return _call("Result/PushData", _field(1, text))

    @staticmethod
    def upsert_data(obj: Mapping[str, Any], unique_key: str) -> Response:
        """Store one row, or merge it into the row of this run that has the same value in the
        column ``unique_key``.
        """
        if not unique_key:
            raise ValueError("unique_key is required")
        if unique_key not in obj:
            raise ValueError(f"unique_key [{unique_key}] not found in data")
        marked = dict(obj)
        marked["__coreclaw_upsert_key__"] = unique_key
        marked["__coreclaw_upsert_value__"] = str(obj[unique_key])
        return Result.push_data(marked)


class Log:
    """Lines for the log of the run."""

    @staticmethod
    def debug(log: object) -> Response:
        return Log._write("Debug", log)

    @staticmethod
    def info(log: object) -> Response:
        return Log._write("Info", log)

    @staticmethod
    def warn(log: object) -> Response:
        return Log._write("Warn", log)

    @staticmethod
    def error(log: object) -> Response:
        return Log._write("Error", log)

    @staticmethod
    def _write(level: str, log: object) -> Response:
        return _call(f"Log/{level}", _field(1, _encoded(str(log))))


class Progress:
    """How far this task is. A call of Fyke: other platforms do not have it."""

    @staticmethod
    def set(done: float, total: float | None = None, text: object = "") -> Response:
        """Show ``done`` of ``total`` and one line of text while the task runs. The last call
        counts. Fractions are cut off: for half of it, pass 50 and 100, not 0.5 and 1.

        On a platform without it, nothing happens.
        """
        numbers = b""
        for number, name, value in ((1, "done", done), (2, "total", total or 0)):
            if not 0 <= value < 2**53:  # NaN neither
                raise ValueError(f"{name} must be a number from 0 to 2**53 - 1, not {value}")
            numbers += bytes((number << 3,)) + _number(int(value))
        try:
            return _call("Progress/Set", numbers + _field(3, _encoded(str(text))))
        except SDKError as error:
            if error.code != _UNIMPLEMENTED:
                raise
            return Response(0, "this platform shows no progress")


class CoreSDK:
    """All classes under one name."""

    Parameter = Parameter
    Result = Result
    Log = Log
    Progress = Progress


CafeSDK = CoreSDK  # its older name
