"""Many connections at once: memory stays bounded, and random limits are exact to the byte."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
import time
from pathlib import Path

import pytest

from fyke.contracts.egress import EgressGrant
from fyke.egress.local import LocalEgress
from fyke.kit.addresses import AddressRules
from fyke.kit.resolver import Resolver
from support.egress import (
    ATTEMPT,
    SECRET,
    Origin,
    client_and_process,
    downloads,
    listener,
    port_of,
    socks,
    socks_code,
    socks_hello,
    socks_request,
    until,
)

pytestmark = pytest.mark.anyio
LOOPBACK = ("127.0.0.0/8",)


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def stalled(proxy: int, port: int) -> asyncio.StreamWriter:
    """Request a large response and do not read it."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", proxy))
    reader, writer = await asyncio.open_connection(sock=sock, limit=1024)
    writer.write(socks_hello() + socks_request("127.0.0.1", port))
    assert await socks_code(reader) == 0
    writer.write(b"go\n")
    return writer


@pytest.mark.parametrize("links", [100, pytest.param(500, marks=pytest.mark.long)])
async def test_stalled_connections_use_bounded_memory(tmp_path: Path, links: int) -> None:
    async with (
        client_and_process(tmp_path, LOOPBACK) as (client, process),
        Origin(downloads(5_000_000)) as origin,
    ):
        sock = listener()
        await client.open([sock], EgressGrant(ATTEMPT, SECRET, ""))
        assert process.process is not None
        writers = [await stalled(port_of(sock), origin.port) for _ in range(links)]
        before = -1
        while before != client.traffic(ATTEMPT).down:
            before = client.traffic(ATTEMPT).down
            await asyncio.sleep(0.3)
        assert before > links * 65536
        resident = resident_mib(process.process.pid)
        print(f"{links} stalled links: {resident:.0f} MiB")
        assert resident < 150
        for writer in writers:
            writer.transport.abort()
        final = await client.close(ATTEMPT)
    assert final.connections == links


@pytest.mark.parametrize("runs", [30, pytest.param(1000, marks=pytest.mark.long)])
async def test_random_limits_are_never_exceeded(runs: int) -> None:
    egress = LocalEgress()
    tripped: list[str] = []
    egress.on_trip = tripped.append
    dice = random.Random(7)

    async def run_attempt(number: int, port: int) -> tuple[int, int]:
        limit = dice.randrange(1, 300_000)
        attempt = f"01RUN{number}"
        sock = listener()
        await egress.open([sock], EgressGrant(attempt, SECRET, "", LOOPBACK, limit))

        async def link() -> None:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port_of(sock))
                writer.write(socks_hello(attempt) + socks_request("127.0.0.1", port))
                writer.write(b"go\n")
                await reader.read()
                writer.close()
            except OSError:
                pass

        await asyncio.gather(*(link() for _ in range(3)))
        await until(lambda: egress.tripped(attempt))
        final = await egress.close(attempt)
        sock.close()
        return final.total, limit

    async with Origin(downloads(400_000)) as origin:
        for start in range(0, runs, 10):
            batch = [run_attempt(number, origin.port) for number in range(start, start + 10)]
            assert all(total == limit for total, limit in await asyncio.gather(*batch))
    assert len(tripped) == runs
    await egress.stop()


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send endlessly, and read nothing."""
    while True:
        writer.write(bytes(65536))
        await writer.drain()


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send single bytes with pauses, endlessly."""
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def pushes_and_reads_nothing(proxy: int, port: int) -> asyncio.StreamWriter:
    """Send until the connection accepts no more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy, limit=1024)
    writer.write(socks_hello() + socks_request("127.0.0.1", port))
    assert await socks_code(reader) == 0
    writer.write(bytes(4_000_000))
    return writer


@pytest.mark.parametrize("links", [60, pytest.param(500, marks=pytest.mark.long)])
async def test_endless_and_slow_sites_use_bounded_memory(tmp_path: Path, links: int) -> None:
    """Half of the connections stall in both directions; the others transfer single bytes."""
    async with (
        client_and_process(tmp_path, LOOPBACK) as (client, process),
        Origin(endless) as flood,
        Origin(dripping) as drip,
    ):
        sock = listener()
        await client.open([sock], EgressGrant(ATTEMPT, SECRET, ""))
        assert process.process is not None
        writers = []
        for number in range(links):
            port = flood.port if number % 2 else drip.port
            writers.append(await pushes_and_reads_nothing(port_of(sock), port))
        before = -1
        # until only the slow connections transfer bytes
        while client.traffic(ATTEMPT).total - before > links * 100:
            before = client.traffic(ATTEMPT).total
            await asyncio.sleep(0.3)
        resident = resident_mib(process.process.pid)
        print(f"{links} endless and dripping links: {resident:.0f} MiB")
        assert resident < 150
        for writer in writers:
            writer.transport.abort()
        final = await client.close(ATTEMPT)
    assert final.connections == links


async def test_unanswered_lookups_do_not_delay_other_runs() -> None:
    go = threading.Event()

    def lookup(name: str) -> tuple[str, ...]:
        if name.startswith("slow"):
            go.wait(20)
            return ()
        return ("127.0.0.1",)

    egress = LocalEgress(AddressRules(LOOPBACK), resolver=Resolver(lookup, threads=12))
    ports = {}
    for attempt in ("slow", "quick"):
        sock = listener()
        await egress.open([sock], EgressGrant(attempt, SECRET, "", session=attempt))
        ports[attempt] = port_of(sock)
    async with Origin(downloads(100)) as origin:
        writers = []
        for number in range(60):
            _, writer = await asyncio.open_connection("127.0.0.1", ports["slow"])
            writer.write(socks_hello("slow") + socks_request(f"slow{number}.example", 80))
            writers.append(writer)
        before = time.monotonic()
        for number in range(20):
            name = f"quick{number}.example"
            code, _, writer = await socks(ports["quick"], name, origin.port, "quick")
            assert code == 0
            writer.close()
        assert time.monotonic() - before < 5
        go.set()
        for writer in writers:
            writer.close()
    await egress.stop()
