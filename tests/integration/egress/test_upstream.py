"""Connections through the proxy of a region: SOCKS5 and HTTP upstreams with real sockets."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import AsyncIterator

import pytest

from fyke.contracts.egress import EgressGrant, Traffic
from fyke.egress.limits import ProxyLimits
from fyke.egress.local import LocalEgress
from fyke.kit.addresses import AddressRules
from fyke.kit.resolver import Resolver
from support.egress import ATTEMPT, SECRET, Origin, echo, http_connect, listener, port_of, socks

pytestmark = pytest.mark.anyio


class Upstream:
    """A SOCKS5 and HTTP proxy with a password; connects every request to one site and counts."""

    def __init__(self, origin_port: int) -> None:
        self._origin = origin_port
        self.requests: list[str] = []
        self.up = self.down = 0
        self.answer = b""
        self.silent = False

    async def __aenter__(self) -> Upstream:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()

    def url(self, scheme: str, login: str = "user:p%40ss") -> str:
        return f"{scheme}://{login}@127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.silent:
                await reader.read()
            elif self.answer:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(self.answer)
            elif (await reader.readexactly(1)) == b"\x05":
                await self._socks(reader, writer)
            else:
                await self._http(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly((await reader.readexactly(1))[0])
        writer.write(b"\x05\x02")
        name = await reader.readexactly((await reader.readexactly(2))[1])
        secret = await reader.readexactly((await reader.readexactly(1))[0])
        if (name, secret) != (b"user", b"p@ss"):
            writer.write(b"\x01\x01")
            return
        writer.write(b"\x01\x00")
        kind = (await reader.readexactly(4))[3]
        size = 4 if kind == 1 else (await reader.readexactly(1))[0]
        host = await reader.readexactly(size)
        port = struct.unpack(">H", await reader.readexactly(2))[0]
        text = ".".join(map(str, host)) if kind == 1 else host.decode()
        self.requests.append(f"{text}:{port}")
        await self._relay(reader, writer, b"\x05\x00\x00\x01" + bytes(6))

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        token = base64.b64encode(b"user:p@ss").decode()
        if f"Proxy-Authorization: Basic {token}" not in head:
            writer.write(b"HTTP/1.1 407 No\r\n\r\n")
            return
        self.requests.append(head.split()[1])
        await self._relay(reader, writer, b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n")

    async def _relay(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hello: bytes
    ) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._origin)
        first = await there.read(5)  # the site sends first; its bytes arrive in one packet
        self.down += len(first)
        writer.write(hello + first)

        async def pump_down() -> None:
            while data := await there.read(65536):
                self.down += len(data)
                writer.write(data)

        task = asyncio.create_task(pump_down())
        while data := await reader.read(65536):
            self.up += len(data)
            back.write(data)
        back.write_eof()
        await task
        back.close()


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    await echo(reader, writer)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Origin(greet) as origin, Upstream(origin.port) as started:
        yield started


async def open_egress(url: str, region: str = "us", **options: object) -> tuple[LocalEgress, int]:
    egress = LocalEgress(
        AddressRules(),
        {"us": url},
        resolver=Resolver(lambda name: ("8.8.8.8",) if name == "public.example" else ()),
        limits=ProxyLimits(connect_seconds=0.5),
    )
    sock = listener()
    await egress.open([sock], EgressGrant(ATTEMPT, SECRET, region))
    return egress, port_of(sock)


@pytest.mark.parametrize("scheme", ["socks5", "http"])
async def test_the_upstream_gets_the_checked_address_and_both_counts_are_equal(
    upstream: Upstream, scheme: str
) -> None:
    egress, proxy = await open_egress(upstream.url(scheme))
    for _ in range(5):
        code, reader, writer = await socks(proxy, "public.example", 443)
        assert code == 0
        assert await reader.readexactly(5) == b"hello"
        writer.write(bytes(100_000))
        writer.write_eof()
        assert len(await reader.read()) == 100_000
        writer.close()
    assert upstream.requests == ["8.8.8.8:443"] * 5
    assert egress.traffic(ATTEMPT) == Traffic(500_000, 500_025, 5, 0)
    assert (upstream.up, upstream.down) == (500_000, 500_025)
    await egress.stop()


async def test_a_resolving_upstream_gets_public_names_only(
    upstream: Upstream,
) -> None:
    egress, proxy = await open_egress(upstream.url("socks5h"))
    code, _, writer = await socks(proxy, "only-there.example", 80)
    assert code == 0
    writer.close()
    for host in ("localhost", "intra", "db.internal", "127.0.0.1", "10.0.0.1", "::1", "127.1"):
        code, _, writer = await socks(proxy, host, 80)
        assert code == 2, host
        writer.close()
    code, _, writer = await socks(proxy, "8.8.4.4", 80)
    assert code == 0
    writer.close()
    assert upstream.requests == ["only-there.example:80", "8.8.4.4:80"]
    await egress.stop()


async def test_another_region_connects_directly(upstream: Upstream) -> None:
    egress, proxy = await open_egress(upstream.url("socks5"), region="de")
    code, _, writer = await socks(proxy, "127.0.0.1", 80)
    assert code == 2
    writer.close()
    assert upstream.requests == []
    await egress.stop()


@pytest.mark.parametrize("scheme", ["socks5", "http"])
async def test_an_upstream_that_refuses_the_login_is_reported(
    upstream: Upstream, scheme: str
) -> None:
    egress, proxy = await open_egress(upstream.url(scheme, "user:wrong"))
    code, _, writer = await socks(proxy, "public.example", 443)
    assert code == 1
    writer.close()
    status, words, _, writer = await http_connect(proxy, "public.example:443")
    assert status == 502 and b"the proxy of this region" in words
    assert words.count(b"\n") == 1
    writer.close()
    await egress.stop()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 503 Busy\r\n\r\n", b"nonsense", b"x" * 40_000])
async def test_an_upstream_with_another_protocol_is_reported(
    upstream: Upstream, answer: bytes
) -> None:
    upstream.answer = answer
    egress, proxy = await open_egress(upstream.url("http"))
    code, _, writer = await socks(proxy, "public.example", 443)
    assert code == 1
    writer.close()
    await egress.stop()


@pytest.mark.parametrize("scheme", ["socks5", "http"])
async def test_a_silent_or_missing_upstream_is_reported(upstream: Upstream, scheme: str) -> None:
    upstream.silent = True
    egress, proxy = await open_egress(upstream.url(scheme))
    status, words, _, writer = await http_connect(proxy, "public.example:443")
    assert status == 504 and b"timed out" in words
    writer.close()
    await egress.stop()
    egress, proxy = await open_egress(f"{scheme}://127.0.0.1:1")
    code, _, writer = await socks(proxy, "public.example", 443)
    assert code == 1
    writer.close()
    await egress.stop()
