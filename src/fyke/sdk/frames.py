"""HTTP/2 frames, and the header blocks that a unary gRPC server sends, without state."""

from __future__ import annotations

from struct import Struct
from urllib.parse import quote

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 5, 6, 7, 8, 9

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
HAS_PRIORITY = 0x20

NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL_ERROR = 0, 1, 3
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM = 5, 6, 7
COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 9, 11

HEADER_TABLE_SIZE, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 1, 3, 4
MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = 5, 6

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DEFAULT_WINDOW = 65_535
MAX_WINDOW = 2**31 - 1
FRAME_BYTES = 16_384  # the largest frame that is accepted, and the default of every client
HEAD = 9

# length and type share the first four bytes of a frame; then flags and stream
_head = Struct(">IBI")
unpack_head = _head.unpack_from
_pack_head = _head.pack
_setting = Struct(">HI")
pack_u32 = Struct(">I").pack


class ProtocolError(Exception):
    """The peer violated the protocol; the connection ends with a GOAWAY with ``code``."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A complete frame."""
    return _pack_head(len(payload) << 8 | kind, flags, stream) + payload


def settings(values: dict[int, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(_setting.pack(*pair) for pair in values.items()))


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """The pairs of a SETTINGS payload, in order."""
    if len(payload) % 6:
        raise ProtocolError(FRAME_SIZE_ERROR, "SETTINGS of invalid length")
    return list(_setting.iter_unpack(payload))


def window_update(stream: int, amount: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, pack_u32(amount))


def goaway(last_stream: int, code: int, reason: str = "") -> bytes:
    return frame(GOAWAY, 0, 0, pack_u32(last_stream) + pack_u32(code) + reason.encode())


def reset(stream: int, code: int) -> bytes:
    return frame(RST_STREAM, 0, stream, pack_u32(code))


def unpadded(flags: int, payload: bytes) -> bytes:
    """The payload of a DATA or HEADERS frame without its padding."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ProtocolError(PROTOCOL_ERROR, "more padding than payload")
    return payload[1 : len(payload) - payload[0]]


def _literal(name: bytes, value: bytes) -> bytes:
    """A header field that is not added to the table."""
    return b"\x00" + _text(name) + _text(value)


def _text(text: bytes) -> bytes:
    """A string in HPACK: its length as an integer with a prefix of seven bits, and its bytes."""
    if len(text) < 127:
        return bytes([len(text)]) + text
    rest = len(text) - 127
    length = bytearray([127])
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    return bytes([*length, rest]) + text


# index 8 of the static table is ":status: 200"
_RESPONSE = b"\x88" + _literal(b"content-type", b"application/grpc")
_OK = _literal(b"grpc-status", b"0")


def reply_start(stream: int) -> bytes:
    return _pack_head(len(_RESPONSE) << 8 | HEADERS, END_HEADERS, stream) + _RESPONSE


def reply_end(stream: int) -> bytes:
    return _pack_head(len(_OK) << 8 | HEADERS, END_HEADERS | END_STREAM, stream) + _OK


def short_reply(stream: int, body: bytes) -> bytes:
    """A complete reply whose body fits into one frame."""
    return b"".join(
        (
            reply_start(stream),
            _pack_head(len(body) << 8 | DATA, 0, stream),
            body,
            reply_end(stream),
        )
    )


def error_reply(stream: int, status: int, message: str) -> bytes:
    """The trailers of a failed call. gRPC requires the message to be percent-encoded."""
    text = quote(message[:500], safe=" ,.:;!?()[]'/=+-_").encode()
    block = (
        _RESPONSE + _literal(b"grpc-status", str(status).encode()) + _literal(b"grpc-message", text)
    )
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, block)
