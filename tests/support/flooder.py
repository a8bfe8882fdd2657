"""A hostile client of the SDK service that floods it with raw bytes.

    python tests/support/flooder.py PORT KIND

Prints ``on`` when it has started to flood over four connections, and runs until its standard input
ends.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator

CONNECTIONS = 4
START = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
PUSH, INFO, TABLE, INPUT = (
    b"/coresdk.Result/PushData",
    b"/coresdk.Log/Info",
    b"/coresdk.Result/SetTableHeader",
    b"/coresdk.Parameter/GetInputJSONString",
)
TOP = 2**31


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">IBI", len(payload) << 8 | kind, flags, stream) + payload


def open_call(stream: int, path: bytes = PUSH, fields: bytes = b"") -> bytes:
    return frame(1, 4, stream, b"\x04" + bytes([len(path)]) + path + fields)


def message(text: bytes) -> bytes:
    """A message with its prefix; its first field is the text."""
    return prefixed(b"\x0a" + varint(len(text)) + text)


def prefixed(body: bytes) -> bytes:
    return b"\0" + len(body).to_bytes(4, "big") + body


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def call(stream: int, path: bytes, body: bytes) -> bytes:
    """A whole call; a long body is cut into frames, regardless of the window."""
    cut = [body[at : at + 16_384] for at in range(0, len(body), 16_384)]
    parts = [frame(0, int(part is cut[-1]), stream, part) for part in cut]
    return open_call(stream, path) + b"".join(parts)


def streams(make: Callable[[int], bytes], together: int = 100) -> Iterator[bytes]:
    """The frames of ``make`` for one stream after the other, ``together`` streams in each piece."""
    for first in range(1, TOP, 2 * together):
        yield b"".join(make(stream) for stream in range(first, first + 2 * together, 2))


def repeated(piece: bytes, times: int = 4000) -> Iterator[bytes]:
    data = piece * times
    while True:
        yield data


def widened(piece: bytes) -> Iterator[bytes]:
    """Many open calls, and then repeated frames for which the server must visit each call."""
    yield b"".join(open_call(stream) for stream in range(1, 1801, 2))
    yield from repeated(piece)


def huffman(size: int) -> bytes:
    """A field in Huffman code of about ``size`` letters ``a``, five bits each."""
    code = b"\x18\xc6\x31\x8c\x63" * (size // 5)
    return b"\x00\x01x\xff" + varint(len(code) - 127) + code


ROW, LINE = message(b'{"n":1}'), message(b"x" * 8000)
LONG_ROW, LONG_FIELD = message(b'{"text":"' + b"x" * 60_000 + b'"}'), huffman(14_000)
WINDOWS = frame(4, 0, 0, b"\0\4\0\0\xff\xff") + frame(4, 0, 0, b"\0\4\0\0\0\0")
JUNK = prefixed(b"\x10\0" * 30_000)
COLUMN = b"\x0a\x01a\x12\x01b\x1a\x04text"
COLUMNS = prefixed((b"\x0a" + varint(len(COLUMN)) + COLUMN) * 4000)

KINDS: dict[str, Callable[[], Iterator[bytes]]] = {
    "ping": lambda: repeated(frame(6, 0, 0, bytes(8))),
    "settings": lambda: repeated(frame(4, 0, 0)),
    "unknown": lambda: repeated(frame(0x4D, 0, 0)),
    "updates": lambda: repeated(frame(8, 0, 0, b"\0\0\0\1")),
    "windows": lambda: widened(
        frame(4, 0, 0, b"\0\4\0\0\xff\xff") + frame(4, 0, 0, b"\0\4\0\0\0\0")
    ),
    "streams": lambda: streams(open_call),
    "resets": lambda: streams(lambda n: call(n, PUSH, ROW) + frame(3, 0, n, bytes(4))),
    "quick resets": lambda: streams(lambda n: open_call(n) + frame(3, 0, n, bytes(4))),
    "dribble": lambda: iter(
        [open_call(1) + frame(0, 0, 1, b"\0\0\0\xff\0"), *[frame(0, 0, 1, b"x") * 60_000]]
    ),
    "fields": lambda: streams(
        lambda n: open_call(n, PUSH, LONG_FIELD) + frame(0, 1, n, ROW), together=10
    ),
    "rows": lambda: streams(lambda n: call(n, PUSH, ROW)),
    "long rows": lambda: streams(lambda n: call(n, PUSH, LONG_ROW), together=10),
    "log": lambda: streams(lambda n: call(n, INFO, LINE), together=20),
    "short log": lambda: streams(lambda n: call(n, INFO, message(b"x"))),
    "junk": lambda: streams(lambda n: call(n, PUSH, JUNK), together=10),
    "columns": lambda: streams(lambda n: call(n, TABLE, COLUMNS), together=10),
    "inputs": lambda: streams(lambda n: call(n, INPUT, prefixed(b""))),
}
CONNECTS = "connects"  # only new connections, no bytes


def flood(port: int, kind: str) -> None:
    """Open one connection after another until the process ends."""
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port)) as sock:
                if kind == CONNECTS:
                    continue
                sock.sendall(START + frame(8, 0, 0, b"\x3f\xff\xff\xff"))
                threading.Thread(target=drain, args=(sock,), daemon=True).start()
                for data in KINDS[kind]():
                    sock.sendall(data)
        except OSError:
            pass


def drain(sock: socket.socket) -> None:
    try:
        while sock.recv(1 << 20):
            pass
    except OSError:
        pass


def main() -> None:
    port, kind = int(sys.argv[1]), sys.argv[2]
    for _ in range(CONNECTIONS):
        threading.Thread(target=flood, args=(port, kind), daemon=True).start()
    print("on", flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
