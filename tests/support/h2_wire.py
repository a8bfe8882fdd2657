"""A connection of the SDK service without a socket, and the bytes of a client."""

from __future__ import annotations

import asyncio
from typing import Any

import hpack

from fyke.sdk import frames
from fyke.sdk.connection import SdkConnection
from fyke.sdk.frames import frame
from fyke.sdk.http2 import SdkServer

START = frames.PREFACE + frames.settings({})
HEADER = hpack.Encoder().encode([(b":path", b"/x")], huffman=False)
BODY = b"\x00\x00\x00\x00\x01m"


def call(stream: int) -> bytes:
    return frame(1, 4, stream, HEADER) + frame(0, 1, stream, BODY)


class Wire(asyncio.Transport):
    """A transport that keeps all bytes that are written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()
        self.closed = False
        self.reading = True

    def write(self, data: Any) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_reading(self) -> bool:
        return self.reading

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def frames(self) -> list[tuple[int, int, int, bytes]]:
        sent, at = [], 0
        while at < len(self.sent):
            word, flags, stream = frames.unpack_head(self.sent, at)
            end = at + 9 + (word >> 8)
            sent.append((word & 255, flags, stream, bytes(self.sent[at + 9 : end])))
            at = end
        return sent

    @property
    def goaway(self) -> int | None:
        codes = [int.from_bytes(p[4:8], "big") for kind, _, _, p in self.frames() if kind == 7]
        return codes[0] if codes else None


async def echo(path: str, message: bytes) -> bytes:
    return message


def connect() -> tuple[SdkConnection, Wire, SdkServer]:
    server = SdkServer(asyncio.get_running_loop(), echo)
    connection, wire = SdkConnection(server), Wire()
    connection.connection_made(wire)
    return connection, wire, server


async def turns(count: int = 6) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def serve_pieces(pieces: list[bytes]) -> None:
    """Serve a client that sends these pieces and then disconnects. The server must send whole
    frames and keep no state of the client.
    """

    async def run() -> None:
        connection, wire, server = connect()
        for piece in pieces:
            connection.data_received(piece)
        await turns(3)
        assert wire.frames()
        connection.connection_lost(None)
        await turns(3)
        assert server._open_streams == 0
        assert server.admission._used == 0
        assert not server._tasks

    asyncio.run(run())
