"""Measures the REST reads: run detail, and result pages anywhere in a large run.

    python bench/reads.py [--rows 200000] [--seconds 4] [--rounds 3]

Boots a whole platform, writes a large run through the store, then sends requests over 1 and 32
persistent connections, in rounds, alternating with the upper limit: a bare uvicorn (httptools,
uvloop) that reads the body and answers constant bytes of the same length without a framework, a key
or a database. Prints requests/s, p50 and p99 in ms, medians of the rounds, and CPU microseconds of
the server process per request.

The client is wrk if it is installed, else an asyncio protocol in this process, without an HTTP
library; the output names it. Client and server share the cores of one machine either way.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import re
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlsplit

import uvloop
from common import arguments, head, line, percentile, platform_up

from fyke.model.results import AttemptBatch, PushedRow
from fyke.storage.sql.results.store import open_results
from support.projects import python_project

CONNECTIONS = (1, 32)
BATCH = 1000
LUA = """wrk.method = "POST"
wrk.body = [[{body}]]
wrk.headers["content-type"] = "application/json"
wrk.headers["api-key"] = "{key}"
done = function(summary, latency, requests)
  io.write(string.format("FIGURES %f %f %f %d\\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, summary.errors.status))
end
"""


@dataclass(frozen=True)
class Target:
    """One request, sent repeatedly to the process ``pid``."""

    name: str
    url: str
    key: str
    body: str
    pid: int


# --- the client -----------------------------------------------------------------------------


class RequestLoop(asyncio.Protocol):
    """One connection that repeats its request after each answer. Only ``content-length`` bodies."""

    def __init__(self, request: bytes, until: float, times: list[float]) -> None:
        self._request, self._until, self._times = request, until, times
        self._seen = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head_end = self._seen.find(b"\r\n\r\n")
        if head_end < 0:
            return
        at = self._seen.lower().find(b"content-length:", 0, head_end) + 15
        length = int(self._seen[at : self._seen.find(b"\r\n", at)])
        if len(self._seen) < head_end + 4 + length:
            return
        now = time.perf_counter()
        self._times.append(now - self._began)
        status, self._seen = self._seen[9:12], b""
        if status != b"200":
            self.done.set_exception(RuntimeError(f"status {status!r}"))
        elif now < self._until:
            self._ask()
        else:
            self._transport.close()
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server closed the connection"))


def measure_with_asyncio(
    target: Target, connections: int, seconds: float
) -> tuple[float, float, float]:
    """(requests a second, p50 ms, p99 ms)."""
    address = urlsplit(target.url)
    request = (
        f"POST {address.path} HTTP/1.1\r\nhost: {address.netloc}\r\napi-key: {target.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(target.body)}\r\n\r\n{target.body}"
    ).encode()
    times: list[float] = []

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        until = time.perf_counter() + seconds
        loops = [
            (
                await loop.create_connection(
                    lambda: RequestLoop(request, until, times), address.hostname, address.port
                )
            )[1]
            for _ in range(connections)
        ]
        await asyncio.gather(*(each.done for each in loops))

    started = time.perf_counter()
    uvloop.run(ask())
    took = time.perf_counter() - started
    return len(times) / took, statistics.median(times) * 1000, percentile(times, 0.99) * 1000


def measure_with_wrk(
    target: Target, connections: int, seconds: float
) -> tuple[float, float, float]:
    """The same with wrk. Raises ``RuntimeError`` when an answer was not 200."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA.format(body=target.body, key=target.key))
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency"]
        command += ["-s", script.name, target.url]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"FIGURES (\S+) (\S+) (\S+) (\d+)", done.stdout)
    if not found or found[4] != "0":
        raise RuntimeError(done.stdout + done.stderr)
    return float(found[1]), float(found[2]), float(found[3])


# --- the limit ------------------------------------------------------------------------------


def serve_limit(control: Connection, size: int) -> None:
    """Answer every request with ``size`` bytes from a bare uvicorn, the upper limit."""
    import uvicorn

    answer = b"x" * size
    headers = [(b"content-type", b"application/json"), (b"content-length", str(size).encode())]

    async def app(scope, receive, send) -> None:
        while (await receive())["more_body"]:
            pass
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    control.send(listener.getsockname()[1])
    config = uvicorn.Config(
        app, log_config=None, access_log=False, loop="none", http="httptools", ws="none",
        lifespan="off", date_header=False, server_header=False,
    )  # fmt: skip
    uvloop.run(uvicorn.Server(config).serve(sockets=[listener]))


# --- the run --------------------------------------------------------------------------------


def add_attempt(home: Path, run: str) -> None:
    """Add a copy of the run's first attempt, because rows need a known attempt."""
    state = sqlite3.connect(home / "state.db")
    with state:
        state.execute("CREATE TEMP TABLE copied AS SELECT * FROM attempts WHERE run_id = ?", (run,))
        state.execute("UPDATE copied SET id = 'bench'")
        state.execute("INSERT INTO attempts SELECT * FROM copied")
    state.close()


async def fill(url: str, run: str, count: int) -> None:
    """Add ``count`` rows to the run through the store, in a new attempt."""
    store = open_results(url, durable=False)
    await store.open_attempt(run, "bench")
    for start in range(0, count, BATCH):
        rows = [
            PushedRow(b'{"title":"Product %d","price":%d.5,"text":"%s"}' % (n, n % 97, b"x" * 120))
            for n in range(start, min(start + BATCH, count))
        ]
        await store.commit([AttemptBatch(run, "bench", rows)])
    await store.close_attempt("bench")
    await store.close()


def large_run(running, api, count: int) -> str:
    """An ended run with ``count`` rows."""
    worker = running.push(python_project("print('here')\n"), "bench-reads")
    run = api.start(worker)["run_slug"]
    api.ended(run)
    add_attempt(running.home, run)
    started = time.perf_counter()
    asyncio.run(fill(f"sqlite:///{running.home}/rows.db", run, count))
    line(
        "rows written through the store, in batches",
        f"{count:,} in {time.perf_counter() - started:.1f} s",
    )
    return run


def targets(running, api, count: int, limit: tuple[int, int]) -> list[Target]:
    run = large_run(running, api, count)
    pid, port = limit
    detail = json.dumps({"run_slug": run})
    server = running.role("server")
    found = [
        Target("limit: bare uvicorn", f"http://127.0.0.1:{port}/", "x", detail, pid),
        Target("run/detail", f"{running.url}/api/v1/run/detail", running.key, detail, server),
    ]
    last = count // 10
    for name, page in (("first", 1), ("middle", last // 2), ("last", last)):
        body = json.dumps({"run_slug": run, "page_index": page, "page_size": 10})
        url = f"{running.url}/api/v1/run/result/list"
        found.append(Target(f"page of 10 rows, {name}", url, running.key, body, server))
    return found


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def report(found: list[Target], ask, seconds: float, rounds: int) -> None:
    for connections in CONNECTIONS:
        seen: dict[str, list[tuple[float, ...]]] = {target.name: [] for target in found}
        for _ in range(rounds):
            for target in found:
                before = cpu_seconds(target.pid)
                rate, p50, p99 = ask(target, connections, seconds)
                cpu = (cpu_seconds(target.pid) - before) / (rate * seconds) * 1e6
                seen[target.name].append((rate, p50, p99, cpu))
        for name, figures in seen.items():
            rate, p50, p99, cpu = (statistics.median(v) for v in zip(*figures, strict=True))
            text = f"{rate:8,.0f} req/s  p50 {p50:6.2f}  p99 {p99:6.2f} ms  {cpu:4.0f} us CPU"
            line(f"{connections:2} connections: {name}", text)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=4, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    head("REST reads")
    ask = measure_with_wrk if shutil.which("wrk") else measure_with_asyncio
    line("client", "wrk" if ask is measure_with_wrk else "asyncio (wrk is not installed)")
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with platform_up() as (running, api):
        # the answer to run/detail has about 330 bytes
        limit = context.Process(target=serve_limit, args=(theirs, 330), daemon=True)
        limit.start()
        try:
            found = targets(running, api, options.rows, (limit.pid or 0, ours.recv()))
            report(found, ask, options.seconds, options.rounds)
        finally:
            limit.kill()
            limit.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
