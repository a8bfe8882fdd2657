"""A gRPC client over the ``h2`` library, which checks every rule of HTTP/2."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events

HEADERS = [(":method", "POST"), (":scheme", "http"), (":authority", "x"), ("te", "trailers")]


@dataclass
class Call:
    body: bytearray = field(default_factory=bytearray)
    headers: dict[str, str] = field(default_factory=dict)
    ended: bool = False
    reset: int | None = None

    @property
    def message(self) -> bytes:
        assert int.from_bytes(self.body[1:5], "big") == len(self.body) - 5
        return bytes(self.body[5:])


class H2Client:
    """A blocking client. ``window`` is the initial window that it grants to a stream, ``frame`` the
    most bytes that it sends in one DATA frame.
    """

    def __init__(self, port: int, *, window: int = 65_535, frame: int = 16_384) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.h2.update_settings({4: window})
        self._frame = frame
        self.calls: dict[int, Call] = {}
        self.goaway: int | None = None
        self._flush()

    def start(self, path: str, message: bytes, *, pad: int | None = None) -> Call:
        stream = self.h2.get_next_available_stream_id()
        call = self.calls[stream] = Call()
        headers = [*HEADERS, (":path", path), ("content-type", "application/grpc")]
        headers.sort(key=lambda pair: not pair[0].startswith(":"))
        self.h2.send_headers(stream, headers)
        left = b"\x00" + len(message).to_bytes(4, "big") + message
        while left:
            padding = 0 if pad is None else pad + 1
            room = min(self.h2.local_flow_control_window(stream) - padding, self._frame)
            if room <= 0:
                self._flush()
                self.receive()
                continue
            self.h2.send_data(stream, left[:room], end_stream=len(left) <= room, pad_length=pad)
            left = left[room:]
        self._flush()
        return call

    def finish(self, call: Call) -> Call:
        while not call.ended and call.reset is None and self.goaway is None:
            self.receive()
        return call

    def call(self, path: str, message: bytes, **how: int | None) -> bytes:
        reply = self.finish(self.start(path, message, **how))
        assert reply.headers["grpc-status"] == "0", reply.headers
        return reply.message

    def receive(self) -> None:
        data = self.sock.recv(65_536)
        if not data:
            raise ConnectionError("the server closed the connection")
        for event in self.h2.receive_data(data):
            self._note(event)
        self._flush()

    def _note(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = int(event.error_code)
            return
        call = self.calls.get(getattr(event, "stream_id", None) or 0)
        if call is None:
            return
        if isinstance(event, h2.events.DataReceived):
            call.body += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, (h2.events.ResponseReceived, h2.events.TrailersReceived)):
            call.headers.update(dict(event.headers))
        elif isinstance(event, h2.events.StreamEnded):
            call.ended = True
        elif isinstance(event, h2.events.StreamReset):
            call.reset = int(event.error_code)

    def _flush(self) -> None:
        self.sock.sendall(self.h2.data_to_send())

    def close(self) -> None:
        self.sock.close()
