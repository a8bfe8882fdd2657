"""Origins, proxy clients, and the proxy in a process or in a task, for egress tests."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from fyke.egress.client import EgressClient
from fyke.egress.process import serve_egress
from fyke.egress.throttle import ThrottleRules
from fyke.errors import Unavailable
from fyke.kit.addresses import AddressRules

SECRET = "s3cret-of-this-attempt"
ATTEMPT = "01ATTEMPT"

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def listener() -> socket.socket:
    """A listening socket created without the TCP protocol number, as those of sandboxes are."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.bind(("127.0.0.1", 0))
    sock.listen(128)
    return sock


def port_of(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


class Origin:
    """Serves a handler on loopback and counts its connections."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.accepted = 0
        self.port = 0

    async def __aenter__(self) -> Origin:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            await self._handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


def downloads(size: int) -> Handler:
    """A handler that sends ``size`` bytes after one line from the client, and closes."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        block = bytes(65536)
        left = size
        while left:
            writer.write(block[: min(left, len(block))])
            left -= min(left, len(block))
            await writer.drain()

    return handler


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


def socks_hello(user: str = ATTEMPT, secret: str = SECRET) -> bytes:
    name, word = user.encode(), secret.encode()
    return b"\x05\x01\x02\x01" + bytes([len(name)]) + name + bytes([len(word)]) + word


def socks_request(host: bytes | str, port: int, command: int = 1) -> bytes:
    raw = host.encode() if isinstance(host, str) else host
    return bytes((5, command, 0, 3, len(raw))) + raw + struct.pack(">H", port)


async def socks_code(reader: asyncio.StreamReader) -> int:
    """Read the answers to greeting, password and request; return the code of the last."""
    assert await reader.readexactly(4) == b"\x05\x02\x01\x00"
    return (await reader.readexactly(10))[1]


async def socks(
    proxy: int, host: bytes | str, port: int, user: str = ATTEMPT, secret: str = SECRET
) -> tuple[int, asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect through SOCKS5; return the reply's code and the streams."""
    reader, writer = await connect(proxy)
    writer.write(socks_hello(user, secret) + socks_request(host, port))
    return await socks_code(reader), reader, writer


def basic(user: str = ATTEMPT, secret: str = SECRET) -> str:
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


async def http_connect(
    proxy: int, target: str, token: str | None = None
) -> tuple[int, bytes, asyncio.StreamReader, asyncio.StreamWriter]:
    """Send CONNECT; return the status, the body of a refusal, and the streams. An empty ``token``
    sends no password."""
    reader, writer = await connect(proxy)
    head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
    if token != "":
        head += f"Proxy-Authorization: {token or basic()}\r\n"
    head += "\r\n"
    writer.write(head.encode("latin-1"))
    answer = await reader.readuntil(b"\r\n\r\n")
    status = int(answer.split()[1])
    rest = b"" if status == 200 else await reader.read()
    return status, rest, reader, writer


_PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from fyke.egress.process import serve_egress
from fyke.egress.throttle import ThrottleRules
from fyke.kit.addresses import AddressRules
allow, upstreams, throttle = json.loads(sys.argv[2])
rules = None if throttle is None else ThrottleRules(**throttle)
asyncio.run(serve_egress(Path(sys.argv[1]), AddressRules(allow), upstreams, throttle=rules))
"""


class EgressProcess:
    """An egress process."""

    def __init__(
        self,
        path: Path,
        allow: Iterable[str] = (),
        throttle: ThrottleRules | None = None,
        **upstreams: str,
    ) -> None:
        self.path = path
        rules = None if throttle is None else asdict(throttle)
        self._options = json.dumps([list(allow), upstreams, rules])
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(self.path), self._options],
            env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        )

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@asynccontextmanager
async def client_and_process(
    folder: Path, allow: Iterable[str] = (), throttle: ThrottleRules | None = None, **upstreams: str
) -> AsyncIterator[tuple[EgressClient, EgressProcess]]:
    process = EgressProcess(folder / "run" / "egress.sock", allow, throttle, **upstreams)
    process.start()
    client = EgressClient(process.path, timeout=30)
    await client.start()
    try:
        await _connected(client)
        yield client, process
    finally:
        await client.stop()
        process.kill()


async def _connected(client: EgressClient) -> None:
    """Wait until the process has started. Its own check fails after three seconds."""
    while True:
        with suppress(Unavailable):
            return await client.check()


@asynccontextmanager
async def client_and_task(
    folder: Path, throttle: ThrottleRules | None = None
) -> AsyncIterator[EgressClient]:
    """A client, and the code of the egress process in a task of this process."""
    path = folder / "run" / "egress.sock"
    ready = asyncio.Event()
    work = serve_egress(path, AddressRules(), {}, ready=ready, throttle=throttle)
    serving = asyncio.create_task(work)
    await ready.wait()
    client = EgressClient(path)
    await client.start()
    try:
        yield client
    finally:
        await client.stop()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Poll a condition that has no event."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
