"""Measures the overhead of the proxy: throughput on one connection, new connections per second, and
small exchanges of two writes and two reads, which take 40 ms each without ``TCP_NODELAY``.

    python bench/egress.py [--megabytes 600] [--rounds 7] [--throttle] [--loop uvloop]

Client, site and proxy are separate processes on loopback. Direct and proxied rounds alternate, so
that the ratio is meaningful on a noisy machine. Exits with status 1 if a byte was not counted.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import statistics
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from common import arguments, cpu_seconds, head, line

from fyke.contracts.egress import EgressGrant
from fyke.egress.client import EgressClient
from fyke.egress.process import serve_egress
from fyke.egress.throttle import ThrottleRules
from fyke.kit.addresses import AddressRules

ATTEMPT, SECRET = "bench", "secret"
BLOCK = bytes(1 << 20)
CLIENTS = 3  # processes that open new connections at once
FRESH_SECONDS = 3.0
EXCHANGES = 50
PAIR = len(b"first\nsecond\n")


def serve_origin(port_to: Connection) -> None:
    """Answer a number with that many bytes, and "pairs" with two lines for every two lines."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    port_to.send(listener.getsockname()[1])

    def answer(conn: socket.socket) -> None:
        with conn, conn.makefile("rb") as lines:
            asked = lines.readline()
            while asked == b"pairs\n" and lines.readline() and lines.readline():
                conn.sendall(b"first\n")
                conn.sendall(b"second\n")
            left = int(asked) if asked.strip().isdigit() else 0
            while left > 0:
                left -= conn.send(BLOCK[: min(left, len(BLOCK))])

    while True:
        conn, _ = listener.accept()
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=answer, args=(conn,), daemon=True).start()


def serve_proxy(path: Path, loop: str, throttled: bool) -> None:
    """Run the proxy with a throttle that never delays, to include its overhead."""
    rules = ThrottleRules(rate=1e6, connections=100_000) if throttled else None
    work = serve_egress(path, AddressRules(["127.0.0.0/8"]), {}, throttle=rules)
    if loop == "uvloop":
        import uvloop

        uvloop.run(work)
    else:
        asyncio.run(work)


def direct(origin: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", origin))


def proxied(proxy: int, origin: int) -> socket.socket:
    conn = socket.create_connection(("127.0.0.1", proxy))
    hello = b"\x05\x01\x02\x01\x05bench\x06secret"
    conn.sendall(hello + b"\x05\x01\x00\x01\x7f\x00\x00\x01" + struct.pack(">H", origin))
    reply = conn.recv(14, socket.MSG_WAITALL)
    if reply[5:6] != b"\x00":
        raise RuntimeError(f"the proxy refused: {reply!r}")
    return conn


def fetch(conn: socket.socket, count: int) -> float:
    """Return seconds for ``count`` bytes."""
    buffer = bytearray(1 << 20)
    start = time.perf_counter()
    with conn:
        conn.sendall(b"%d\n" % count)
        got = 0
        while size := conn.recv_into(buffer):
            got += size
    if got != count:
        raise RuntimeError(f"{got} bytes came instead of {count}")
    return time.perf_counter() - start


def exchange(conn: socket.socket) -> float:
    """Return milliseconds for one exchange of two lines each way, the median."""
    took = []
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with conn, conn.makefile("rb") as lines:
        conn.sendall(b"pairs\n")
        for _ in range(EXCHANGES):
            start = time.perf_counter()
            conn.sendall(b"one\n")
            time.sleep(0.0005)
            conn.sendall(b"two\n")
            if (lines.readline(), lines.readline()) != (b"first\n", b"second\n"):
                raise RuntimeError("the answer is not that of the origin")
            took.append((time.perf_counter() - start) * 1000)
    return statistics.median(took)


def per_second(connect: Callable[[], socket.socket], seconds: float) -> float:
    start = time.perf_counter()
    rounds = 0
    while time.perf_counter() - start < seconds:
        fetch(connect(), 100)
        rounds += 1
    return rounds / (time.perf_counter() - start)


def knocking(name: str, ports: tuple[int, ...], answer: Connection) -> None:
    """A client process that opens connections one after another."""
    make = {"direct": direct, "proxied": proxied}[name]
    answer.send(per_second(lambda: make(*ports), FRESH_SECONDS))


async def at_once(make: Callable[..., socket.socket], *ports: int) -> float:
    """New connections per second of all client processes together."""
    context = multiprocessing.get_context("fork")
    pipes = [context.Pipe() for _ in range(CLIENTS)]
    clients = [
        context.Process(target=knocking, args=(make.__name__, ports, there), daemon=True)
        for _, there in pipes
    ]
    for client in clients:
        client.start()
    found = [await asyncio.to_thread(here.recv) for here, _ in pipes]
    for client in clients:
        client.join()
    return sum(found)


async def open_attempt(path: Path) -> tuple[EgressClient, int]:
    client = EgressClient(path, timeout=30)
    await client.start()
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    await client.open([listener], EgressGrant(ATTEMPT, SECRET, ""))
    port = listener.getsockname()[1]
    listener.close()
    return client, port


async def measure(path: Path, origin: int, pid: int, size: int, rounds: int) -> bool:
    """Print the figures; return whether each byte was counted."""
    client, proxy = await open_attempt(path)
    plain, through, cpu = [], [], []
    for _ in range(rounds):
        plain.append(size / await asyncio.to_thread(fetch, direct(origin), size))
        before = cpu_seconds(pid)
        conn = await asyncio.to_thread(proxied, proxy, origin)
        through.append(size / await asyncio.to_thread(fetch, conn, size))
        cpu.append((cpu_seconds(pid) - before) / size * 1e9)
    fresh_direct = await at_once(direct, origin)
    before = cpu_seconds(pid)
    fresh = await at_once(proxied, proxy, origin)
    fresh_cpu = (cpu_seconds(pid) - before) / (fresh * FRESH_SECONDS)
    small_direct = await asyncio.to_thread(exchange, direct(origin))
    small = await asyncio.to_thread(exchange, await asyncio.to_thread(proxied, proxy, origin))
    counted = await client.close(ATTEMPT)
    downloads = counted.connections - rounds - 1
    await client.stop()
    show_bytes("direct", plain)
    ratio = statistics.median(t / p for t, p in zip(through, plain, strict=True))
    show_bytes("proxied", through, ratio=ratio, cpu_s=statistics.median(cpu))
    line("new connections, direct", f"{fresh_direct:,.0f} a second", rate_per_s=fresh_direct)
    text = f"{fresh:,.0f} a second, {fresh_cpu * 1000:.3f} ms of CPU each"
    line("new connections, proxied", text, rate_per_s=fresh, cpu_ms=fresh_cpu * 1000)
    line("small exchange, direct", f"{small_direct:.2f} ms", p50_ms=small_direct)
    line("small exchange, proxied", f"{small:.2f} ms", p50_ms=small)
    exact = counted.down == rounds * size + downloads * 100 + EXCHANGES * PAIR
    line("counted exactly", "yes" if exact else "no", exact_count=int(exact))
    return exact


def show_bytes(name: str, rates: list[float], **more: float) -> None:
    """Print the median of some rates in bytes a second, and the CPU seconds for a GB."""
    rate = statistics.median(rates) / 1e6
    text = f"{rate:,.0f} MB/s"
    if more:
        text += f", {more['ratio']:.2f} of direct, {more['cpu_s']:.2f} s of CPU a GB"
    line(f"one connection, {name}", text, rate_mb_per_s=rate, **more)


def run(loop: str, size: int, rounds: int, throttled: bool) -> bool:
    context = multiprocessing.get_context("spawn")
    port_from, port_to = context.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run" / "egress.sock"
        servers = [
            context.Process(target=serve_origin, args=(port_to,), daemon=True),
            context.Process(target=serve_proxy, args=(path, loop, throttled), daemon=True),
        ]
        for server in servers:
            server.start()
        try:
            pid = servers[1].pid or 0
            return asyncio.run(measure(path, port_from.recv(), pid, size, rounds))
        finally:
            for server in servers:
                server.kill()
                server.join()


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--megabytes", type=int, default=600, help="size of one download")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--throttle", action="store_true", help="throttle connections to the origin"
    )
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="uvloop")
    wanted = parser.parse_args()
    head("Egress proxy")
    exact = run(wanted.loop, wanted.megabytes * 1_000_000, wanted.rounds, wanted.throttle)
    return 0 if exact else 1


if __name__ == "__main__":
    sys.exit(main())
