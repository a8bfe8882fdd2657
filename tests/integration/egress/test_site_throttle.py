"""Throttling of connections to sites on the real data path, across the runs of one proxy."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fyke.contracts.egress import EgressGrant
from fyke.egress.local import LocalEgress
from fyke.egress.throttle import ThrottleRules
from support.egress import (
    SECRET,
    Handler,
    Origin,
    basic,
    connect,
    http_connect,
    listener,
    port_of,
    socks,
)

pytestmark = pytest.mark.anyio


async def proxy_port(egress: LocalEgress, name: str, *, guarded: bool = True) -> int:
    """The port of the proxy for one run's attempt."""
    sock = listener()
    grant = EgressGrant(name, SECRET, "", ("127.0.0.0/8",), session=name, guarded=guarded)
    await egress.open([sock], grant)
    return port_of(sock)


def answers(*pieces: bytes) -> Handler:
    """A site that reads a request head and writes these pieces one by one."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.001)

    return handler


async def fetch(proxy: int, name: str, port: int, way: str) -> bytes:
    """The complete response to one request."""
    target = f"127.0.0.1:{port}"
    if way == "http":
        reader, writer = await connect(proxy)
        head = f"GET http://{target}/ HTTP/1.1\r\nProxy-Authorization: {basic(name)}\r\n\r\n"
        writer.write(head.encode())
    else:
        code, reader, writer = await socks(proxy, "127.0.0.1", port, name)
        if code:
            writer.close()
            return b"code %d" % code
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    try:
        return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("way", ["http", "socks"])
@pytest.mark.parametrize("status", [b"429 Too Many Requests", b"503 Service Unavailable"])
async def test_a_429_pauses_all_runs(way: str, status: bytes) -> None:
    egress = LocalEgress(throttle=ThrottleRules(first_pause=0.3))
    words = b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n"
    pieces = [words[at : at + 1] for at in range(20)]
    async with Origin(answers(*pieces, words[20:])) as tired:
        first, second = await proxy_port(egress, "one"), await proxy_port(egress, "two")
        assert await fetch(first, "one", tired.port, way) == words
        before = time.monotonic()
        assert await fetch(second, "two", tired.port, way) == words
        assert time.monotonic() - before >= 0.25
    await egress.stop()


async def test_other_sites_are_not_paused() -> None:
    egress = LocalEgress(throttle=ThrottleRules(first_pause=20))
    reports: list[tuple[str, str]] = []
    egress.on_refused = lambda attempt, why: reports.append((attempt, why))
    async with (
        Origin(answers(b"HTTP/1.1 429 Slow\r\n\r\n")) as tired,
        Origin(answers(b"HTTP/1.0 200 OK\r\n\r\n")) as other,
    ):
        sock = listener()
        allow = ("127.0.0.0/8", f"localhost:{other.port}")
        await egress.open([sock], EgressGrant("run", SECRET, "", allow, session="run"))
        await fetch(port_of(sock), "run", tired.port, "http")
        refused = await fetch(port_of(sock), "run", tired.port, "http")
        assert refused.startswith(b"HTTP/1.1 503 ") and b"\r\nRetry-After: 5\r\n" in refused
        assert b"127.0.0.1 is being throttled: it answered 429 and is paused" in refused
        code, _, writer = await socks(port_of(sock), "127.0.0.1", tired.port, "run")
        assert code == 1
        writer.close()
        code, _, writer = await socks(port_of(sock), "localhost", other.port, "run")
        assert code == 0
        writer.close()
    final = await egress.close("run")
    throttled_site, free = egress.sites("run")
    assert (throttled_site.domain, throttled_site.requests, throttled_site.refused) == (
        "127.0.0.1",
        1,
        2,
    )
    assert (free.domain, free.requests, free.refused) == ("localhost", 1, 0)
    assert final.refused == 2
    [(attempt, why)] = reports  # one report for the site
    assert attempt == "run" and why.startswith("127.0.0.1 is being throttled: it answered 429")
    await egress.stop()


async def test_concurrent_connections_are_limited_across_runs_with_a_share_for_each() -> None:
    egress = LocalEgress(throttle=ThrottleRules(connections=6, share=2, max_wait=0.05))
    async with Origin(answers()) as origin:
        first, second = await proxy_port(egress, "one"), await proxy_port(egress, "two")
        target = f"127.0.0.1:{origin.port}"

        async def open_tunnel(proxy: int, name: str) -> tuple[int, asyncio.StreamWriter]:
            status, _, _, writer = await http_connect(proxy, target, basic(name))
            return status, writer

        open_connections = [await open_tunnel(first, "one") for _ in range(7)]
        assert [status for status, _ in open_connections] == [200] * 6 + [503]
        late = [await open_tunnel(second, "two") for _ in range(3)]
        assert [status for status, _ in late] == [200, 200, 503]
        for _, writer in open_connections:
            writer.close()
        async with asyncio.timeout(10):
            while (retried := await open_tunnel(second, "two"))[0] != 200:
                retried[1].close()
        for _, writer in (*late, retried):
            writer.close()
    await egress.stop()


async def test_an_unguarded_run_is_not_throttled() -> None:
    egress = LocalEgress(throttle=ThrottleRules(first_pause=20))
    async with Origin(answers(b"HTTP/1.1 429 Slow\r\n\r\n")) as tired:
        free = await proxy_port(egress, "free", guarded=False)
        for _ in range(3):
            assert b" 429 " in await fetch(free, "free", tired.port, "http")
    assert (await egress.close("free")).refused == 0
    assert [site.requests for site in egress.sites("free")] == [3]
    await egress.stop()


async def passed_on(pieces: list[bytes], way: str) -> bytes:
    """Return the bytes that a client receives when a site sends these pieces."""
    egress = LocalEgress(throttle=ThrottleRules())
    async with Origin(answers(*pieces)) as origin:
        try:
            return await fetch(await proxy_port(egress, "one"), "one", origin.port, way)
        finally:
            await egress.stop()


beginnings = st.sampled_from(
    [b"", b"HTTP/1.1 429 ", b"HTTP/1.1 4", b"HTTP/1.x", b"HTTP/2 429", b"HTTP/1.1 999", b"\x16\x03"]
)


def check_pass_through(beginning: bytes, pieces: list[bytes], way: str) -> None:
    sent = [beginning, *pieces]
    assert asyncio.run(passed_on(sent, way)) == b"".join(sent)


@given(beginnings, st.lists(st.binary(max_size=30), max_size=6), st.sampled_from(["http", "socks"]))
@settings(max_examples=40, deadline=None)
def test_the_response_of_a_site_is_unchanged(
    beginning: bytes, pieces: list[bytes], way: str
) -> None:
    check_pass_through(beginning, pieces, way)


@pytest.mark.long
@given(
    beginnings, st.lists(st.binary(max_size=3000), max_size=9), st.sampled_from(["http", "socks"])
)
@settings(max_examples=3000, deadline=None)
def test_long_responses_of_a_site_are_unchanged(
    beginning: bytes, pieces: list[bytes], way: str
) -> None:
    check_pass_through(beginning, pieces, way)
