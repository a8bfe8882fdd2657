"""A gateway with real sockets, one attempt, and a Chromium that the test writes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from fyke.browser.gateway import Gateway
from fyke.browser.limits import GatewayLimits
from fyke.browser.messages import Notice, Wanted
from fyke.browser.requests import BrowserRequest
from fyke.browser.websocket import read_head, text_frame, unmasked
from fyke.contracts.browser import BrowserForm, BrowserProgram, GatewayGrant
from fyke.model.browser import BrowserBlock
from support.browser_hosts import ScriptedHost
from support.egress import listener, port_of

ATTEMPT, SECRET = "01ATTEMPT", "s3cret"
WANTED = Wanted(ATTEMPT, BrowserForm.CDP)
UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Chromium:
    """Answers HTTP, and on a WebSocket sends back every message."""

    heads: list[str] = field(default_factory=list)
    serve_socket: Handler | None = None
    bodies: dict[str, bytes] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            path = head.split(" ")[1]
            if "Upgrade: websocket" not in head:
                body = self.bodies.get(path, b"no such thing")
                status = "200 OK" if path in self.bodies else "404 Not Found"
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode())
                writer.write(body)
                return
            writer.write(b"HTTP/1.1 101 X\r\nSet-Cookie: evil\r\n\r\n")
            await (self.serve_socket or echo)(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(text_frame(await read_message(reader)))
        await writer.drain()


async def read_message(reader: asyncio.StreamReader) -> bytes:
    data = await reader.readexactly(2)
    while (head := read_head(data, 0)) is None:
        data += await reader.readexactly(1)
    _, masked, body_at, length = head
    payload = await reader.readexactly(length)
    return unmasked(payload, data[body_at - 4 : body_at]) if masked else payload


def masked(text: bytes) -> bytes:
    assert len(text) < 126
    return bytes([0x81, 0x80 | len(text)]) + bytes(4) + text


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, method: str, target: str, lines: str = "", body: bytes = b"") -> None:
        head = f"{method} {target} HTTP/1.1\r\nHost: browser.test:80\r\n{lines}\r\n"
        self.writer.write(head.encode() + body)

    async def answer(self) -> tuple[int, str, bytes]:
        """Status, head and body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        length = [line for line in head.split("\r\n") if line.startswith("Content-Length: ")]
        body = await self.reader.readexactly(int(length[0][16:]) if length else 0)
        return int(head.split(" ")[1]), head, body

    async def say(self, command: dict[str, object]) -> None:
        self.writer.write(masked(json.dumps(command).encode()))

    async def hear(self) -> object:
        return json.loads(await read_message(self.reader))


class Place:
    """A gateway with one attempt, and the browsers that a test attaches."""

    def __init__(self, gateway: Gateway, port: int) -> None:
        self.gateway = gateway
        self.port = port
        self.notices: list[Notice] = []
        self.generation = 0
        self.stack = AsyncExitStack()

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.stack.callback(client.writer.close)
        return client

    async def get(self, target: str, lines: str = "") -> tuple[int, str, bytes]:
        client = await self.connect()
        await client.ask("GET", target, lines or "Connection: close\r\n")
        answer = await client.answer()
        client.writer.close()
        return answer

    async def websocket(self, target: str = "/") -> Client:
        client = await self.connect()
        await client.ask("GET", target, UPGRADE)
        status, head, _ = await client.answer()
        assert status == 101
        assert "evil" not in head
        return client

    async def host(self, chromium: Chromium) -> ScriptedHost:
        return await self.stack.enter_async_context(ScriptedHost(chromium.serve))

    def attach(self, host: ScriptedHost) -> None:
        self.generation += 1
        shell = BrowserProgram.HEADLESS_SHELL
        self.gateway.attach(ATTEMPT, host.theirs, self.generation, shell, own_sandbox=True)

    async def attached(self, chromium: Chromium) -> ScriptedHost:
        """Attach a browser as soon as one is wanted."""
        host = await self.host(chromium)

        def on_notice(notice: Notice) -> None:
            if isinstance(notice, Wanted):
                self.attach(host)

        self.on_notice = on_notice
        return host

    def on_notice(self, notice: Notice) -> None:
        """Do nothing more with a notice."""

    def notify(self, notice: Notice) -> None:
        self.notices.append(notice)
        self.on_notice(notice)


class ExampleRoutes:
    """What another module serves."""

    def matches(self, request: BrowserRequest) -> bool:
        return request.path == "/example"

    async def serve(self, request: BrowserRequest, connection: object, attempt: object) -> None:
        body = await connection.read_body()  # type: ignore[attr-defined]
        if body == b"raise":
            raise KeyError("a fault of the route")
        connection.answer(200, body)  # type: ignore[attr-defined]


@asynccontextmanager
async def place(
    block: tuple[BrowserBlock, ...] = (), *, keep: bool = False, **limits: float
) -> AsyncIterator[Place]:
    limits.setdefault("keep_seconds", 0.0)
    gateway = Gateway(GatewayLimits(**limits), [ExampleRoutes()])  # type: ignore[arg-type]
    sock = listener()
    made = Place(gateway, port_of(sock))
    grant = GatewayGrant(ATTEMPT, SECRET, block, keep=keep)
    await gateway.open([sock], grant, made.notify)
    try:
        async with asyncio.timeout(60), made.stack:
            yield made
    finally:
        gateway.stop()
