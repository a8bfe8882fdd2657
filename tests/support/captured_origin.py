"""An origin in a separate network that counts the bytes that it receives and sends.

    python -m support.captured_origin ADDRESS PORT

Prints ``here`` and waits for a line on standard input, which says that its network is connected.
Then it prints ``ready``, serves until the input ends, and prints ``[connections, received, sent]``.

A client first sends a line ``UP DOWN``: the number of bytes that follow and the number in the
answer. Or it sends an HTTP request with Content-Length or in chunks, whose path is the number of
bytes in the answer.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack


class CountingServer:
    """Serves the protocol above and counts over all connections."""

    def __init__(self) -> None:
        self.connections = self.received = self.sent = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            first = await self._line(reader)
            if first.startswith(b"POST"):
                answer_size = int(first.split(b" ")[1].strip(b"/"))
                await self._request(reader)
                await self._send(writer, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            else:
                body_size, answer_size = map(int, first.split())
                await self._read(reader, body_size)
            while answer_size:
                answer_size -= await self._send(writer, bytes(min(answer_size, 60_000)))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader) -> None:
        length = 0
        while (line := await self._line(reader)) != b"\r\n":
            name, _, value = line.lower().partition(b":")
            if name == b"content-length":
                length = int(value)
            elif name == b"transfer-encoding":
                length = -1
        if length >= 0:
            await self._read(reader, length)
            return
        while size := int(await self._line(reader), 16):
            await self._read(reader, size + 2)
        await self._line(reader)

    async def _line(self, reader: asyncio.StreamReader) -> bytes:
        line = await reader.readuntil(b"\n")
        self.received += len(line)
        return line

    async def _read(self, reader: asyncio.StreamReader, size: int) -> None:
        while size:
            data = await reader.read(min(size, 65_536))
            if not data:
                return
            self.received += len(data)
            size -= len(data)

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> int:
        writer.write(data)
        await writer.drain()
        self.sent += len(data)
        return len(data)


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def serve_when_connected(
    serve: Serve, *places: tuple[str, int, ssl.SSLContext | None]
) -> None:
    """Serve at the addresses and ports, once the network is connected, until the input ends."""
    print("here", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    async with AsyncExitStack() as stack:
        for address, port, tls in places:
            server = await asyncio.start_server(serve, address, port, ssl=tls)
            await stack.enter_async_context(server)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)


async def main() -> None:
    origin = CountingServer()
    await serve_when_connected(origin.serve, (sys.argv[1], int(sys.argv[2]), None))
    print(json.dumps([origin.connections, origin.received, origin.sent]))


if __name__ == "__main__":
    asyncio.run(main())
