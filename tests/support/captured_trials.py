"""Traffic through the proxy to another network, counted by meter, origin and packet capture."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from fyke.contracts.egress import EgressGrant
from fyke.egress.local import LocalEgress
from support.egress import (
    ATTEMPT,
    SECRET,
    basic,
    connect,
    http_connect,
    listener,
    port_of,
    socks,
    until,
)
from support.internal_addresses import PUBLIC
from support.packets import Capture

PORT = 8000
NEAR, FAR = "198.18.0.1", "198.18.0.2"
SIZES = (0, 1, 100, 1400, 65_535, 65_536, 65_537, 300_000, 1_500_000)


def _ip(*arguments: str, pid: int = 0) -> None:
    inside = ["nsenter", "--target", str(pid), "--net", "--"] if pid else []
    path = {"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}
    subprocess.run([*inside, "ip", *arguments], check=True, env=path)


async def _wire(pid: int) -> None:
    """Connect this network with that of a process, whose end gets the public address."""
    _ip("link", "add", "near", "type", "veth", "peer", "name", "far", "netns", str(pid))
    _ip("addr", "add", f"{NEAR}/30", "dev", "near")
    _ip("link", "set", "near", "up")
    _ip("addr", "add", f"{FAR}/30", "dev", "far", pid=pid)
    _ip("addr", "add", f"{PUBLIC}/32", "dev", "far", pid=pid)
    _ip("link", "set", "far", "up", pid=pid)
    _ip("route", "del", "local", "0.0.0.0/0", "dev", "lo")
    _ip("route", "add", f"{PUBLIC}/32", "via", FAR)


async def far_process(module: str, *arguments: str) -> asyncio.subprocess.Process:
    """Start an origin in a network of its own, which is connected with this one by a wire; return
    when it serves. Close its input to end it.
    """
    origin = await asyncio.create_subprocess_exec(
        "unshare", "--net", sys.executable, "-m", module, *arguments,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert origin.stdin is not None and origin.stdout is not None
    assert await origin.stdout.readline() == b"here\n"
    await _wire(origin.pid)
    origin.stdin.write(b"connected\n")
    assert await origin.stdout.readline() == b"ready\n"
    return origin


async def _exchange(proxy: int, dice: random.Random) -> int:
    """Make one connection of a random kind; return the received bytes of the answer."""
    up, down = dice.choice(SIZES), dice.choice(SIZES)
    kind = dice.choice(["socks", "connect", "length", "chunks"])
    line, body = f"{up} {down}\n".encode(), os.urandom(up)
    if kind == "socks":
        _, reader, writer = await socks(proxy, PUBLIC, PORT)
        writer.write(line + body)
    elif kind == "connect":
        _, _, reader, writer = await http_connect(proxy, f"{PUBLIC}:{PORT}")
        writer.write(line + body)
    else:
        reader, writer = await connect(proxy)
        framing = f"Content-Length: {up}"
        if kind == "chunks":
            framing = "Transfer-Encoding: chunked"
            body = (b"%x\r\n%b\r\n" % (up, body) if up else b"") + b"0\r\n\r\n"
        head = f"POST http://{PUBLIC}:{PORT}/{down} HTTP/1.1\r\n{framing}\r\n"
        writer.write(f"{head}Proxy-Authorization: {basic()}\r\n\r\n".encode() + body)
    received = 0
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            received += len(data)
    writer.close()
    return received


async def counted(folder: Path, connections: int, seed: int, limit: int | None) -> dict[str, Any]:
    """Make random exchanges, up to eight at once; ``limit`` is the traffic limit in bytes."""
    origin = await far_process("support.captured_origin", PUBLIC, str(PORT))
    assert origin.stdin is not None and origin.stdout is not None
    capture, egress, sock = Capture("near"), LocalEgress(), listener()
    await egress.open([sock], EgressGrant(ATTEMPT, SECRET, "", (), limit))
    dice, slots, received_bytes = random.Random(seed), asyncio.Semaphore(8), 0

    async def run_connection() -> None:
        nonlocal received_bytes
        async with slots:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ValueError):
                arrived = await _exchange(port_of(sock), dice)
                received_bytes += arrived

    await asyncio.gather(*(run_connection() for _ in range(connections)))
    metered = await egress.close(ATTEMPT)
    with suppress(TimeoutError):  # packets are captured later than bytes are received
        await until(
            lambda: (
                capture.payload(to_port=PORT) >= metered.up
                and capture.payload(from_port=PORT) >= metered.down
            )
        )
    origin.stdin.close()
    accepted, received, sent = json.loads(await origin.stdout.read())
    await origin.wait()
    dropped = capture.dropped()
    capture.close()
    await egress.stop()
    return {
        "metered": [metered.connections, metered.up, metered.down],
        "origin": [accepted, received, sent],
        "captured": [capture.payload(to_port=PORT), capture.payload(from_port=PORT)],
        "packets": capture.packets,
        "dropped": dropped,
        "arrived": received_bytes,
    }
