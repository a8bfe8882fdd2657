"""Measures the REST reads: run detail, result pages anywhere in a large run, lists, the account.

    python bench/reads.py [--rows 200000] [--seconds 2] [--rounds 3]

Boots a whole platform, writes a large run through the store, then sends requests over 1 and 32
persistent connections, in rounds, alternating with two limits: a bare uvicorn (httptools, uvloop)
that reads the body and answers constant bytes of the same length without a framework, a key or a
database, and a bare ASGI application that reads the same run from the same database. The detail is
requested of one run and of 64 in turn, idle and with a commit to the same database every 50 ms.
There is one round over 1 connection. ``reads_postgresql.py`` does a part of this with PostgreSQL.
Prints requests/s, p50 and p99 in ms, medians of the rounds, and CPU microseconds of the server
process per request.

The client is wrk if it is installed, else an asyncio protocol in this process, without an HTTP
library; the output names it. Client and server share the cores of one machine either way.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import random
import re
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlsplit

import uvloop
from common import arguments, cpu_seconds, head, line, percentile, platform_up
from sqlalchemy import Connection as SqlConnection
from sqlalchemy import text

from fyke.kit.ids import new_ulid
from fyke.model.results import AttemptBatch, PushedRow
from fyke.storage.sql.dialects import make_engine
from fyke.storage.sql.results.store import open_results
from support.projects import python_project

CONNECTIONS = 32
BATCH = 1000
DETAILS = 64  # different runs
COMMIT_SECONDS = 0.05
WRK_SECONDS = 30  # beyond the length of the measurement; then it has failed
LUA = """wrk.headers["content-type"] = "application/json"
wrk.headers["api-key"] = "{key}"
local bodies = {{ {bodies} }}
local at = 0
request = function()
  at = at % #bodies + 1
  return wrk.format("POST", nil, nil, bodies[at])
end
done = function(summary, latency, requests)
  io.write(string.format("FIGURES %f %f %f %d\\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, summary.errors.status))
end
"""


@dataclass(frozen=True)
class Target:
    """A request, sent repeatedly to the process ``pid`` with these bodies in turn. ``commits``: the
    URL of the database whose other writer commits meanwhile.
    """

    name: str
    url: str
    key: str
    bodies: list[str]
    pid: int
    commits: str = ""


# --- the client -----------------------------------------------------------------------------


class RequestLoop(asyncio.Protocol):
    """One connection that repeats its request after each answer. Only ``content-length`` bodies."""

    def __init__(self, requests: Iterator[bytes], until: float, times: list[float]) -> None:
        self._requests, self._until, self._times = requests, until, times
        self._seen = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(next(self._requests))

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
    head = (
        f"POST {address.path} HTTP/1.1\r\nhost: {address.netloc}\r\napi-key: {target.key}\r\n"
        "content-type: application/json\r\ncontent-length: "
    )
    requests = cycle([f"{head}{len(body)}\r\n\r\n{body}".encode() for body in target.bodies])
    times: list[float] = []

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        until = time.perf_counter() + seconds
        loops = [
            (
                await loop.create_connection(
                    lambda: RequestLoop(requests, until, times), address.hostname, address.port
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
        bodies = ", ".join(f"[[{body}]]" for body in target.bodies)
        script.write(LUA.format(bodies=bodies, key=target.key))
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency"]
        command += ["-s", script.name, target.url]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=seconds + WRK_SECONDS
        )
    found = re.search(r"FIGURES (\S+) (\S+) (\S+) (\d+)", done.stdout)
    if not found or found[4] != "0":
        raise RuntimeError(done.stdout + done.stderr)
    return float(found[1]), float(found[2]), float(found[3])


# --- the limits -----------------------------------------------------------------------------


def serve_limit(control: Connection, size: int, database: str) -> None:
    """Answer every request from a bare uvicorn, the upper limit: with ``size`` bytes, or, below
    ``/read``, with the run that the body names, read from ``database``.
    """
    import msgspec
    import uvicorn

    constant = b"x" * size
    state = sqlite3.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None)
    statement = (
        "SELECT r.state, r.err_msg, r.id, w.title, w.id, r.results, r.usage_micros, r.started_at, "
        "r.finished_at, r.origin, r.traffic_bytes, r.version "
        "FROM runs r JOIN workers w ON w.id = r.worker_id WHERE r.id = ?"
    )

    async def app(scope, receive, send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        answer = constant
        if scope["path"] == "/read":
            run = msgspec.json.decode(body)["run_slug"]
            answer = msgspec.json.encode(state.execute(statement, (run,)).fetchone())
        length = str(len(answer)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    control.send(listener.getsockname()[1])
    config = uvicorn.Config(
        app, log_config=None, access_log=False, loop="none", http="httptools", ws="none",
        lifespan="off", date_header=False, server_header=False,
    )  # fmt: skip
    uvloop.run(uvicorn.Server(config).serve(sockets=[listener]))


@contextlib.contextmanager
def committing(url: str) -> Iterator[None]:
    """Commit to the database every ``COMMIT_SECONDS``, from a thread."""
    if not url:
        yield
        return
    ended = threading.Event()

    def work() -> None:
        engine = make_engine(url, durable=False)
        while not ended.wait(COMMIT_SECONDS):
            with engine.begin() as state:
                state.execute(text("UPDATE bench_commits SET number = number + 1"))
        engine.dispose()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


# --- the run --------------------------------------------------------------------------------


@contextlib.contextmanager
def changing(url: str) -> Iterator[SqlConnection]:
    engine = make_engine(url, durable=False)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def add_attempt(state_url: str, run: str) -> None:
    """Add a copy of the run's first attempt, because rows need a known attempt."""
    with changing(state_url) as state:
        copied = "CREATE TEMP TABLE copied AS SELECT * FROM attempts WHERE run_id = :run"
        state.execute(text(copied), {"run": run})
        state.execute(text("UPDATE copied SET id = 'bench'"))
        state.execute(text("INSERT INTO attempts SELECT * FROM copied"))
        state.execute(text("DROP TABLE copied"))


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


def state_of(running) -> str:
    """The URL of the database with the state."""
    return running.settings.get("database_url") or f"sqlite:///{running.home}/state.db"


def large_run(running, api, count: int) -> str:
    """An ended run with ``count`` rows."""
    worker = running.push(python_project("print('here')\n"), "bench-reads")
    run = api.start(worker)["run_slug"]
    api.ended(run)
    state_url = state_of(running)
    add_attempt(state_url, run)
    started = time.perf_counter()
    asyncio.run(fill(state_url.replace("/state.db", "/rows.db"), run, count))
    line(
        "rows written through the store, in batches",
        f"{count:,} in {time.perf_counter() - started:.1f} s",
    )
    return run


def copies(state_url: str, run: str, count: int) -> list[str]:
    """Copies of the run's record, without rows."""
    ids = [new_ulid() for _ in range(count)]
    with changing(state_url) as state:
        state.execute(text("CREATE TABLE bench_commits AS SELECT 1 AS number"))
        copied = "CREATE TEMP TABLE copied AS SELECT * FROM runs WHERE id = :run"
        state.execute(text(copied), {"run": run})
        for copy in ids:
            state.execute(text("UPDATE copied SET id = :copy"), {"copy": copy})
            state.execute(text("INSERT INTO runs SELECT * FROM copied"))
        state.execute(text("DROP TABLE copied"))
    return ids


def targets(running, api, count: int, limit: tuple[int, int]) -> list[Target]:
    state_url = state_of(running)
    run = large_run(running, api, count)
    pid, port = limit
    server, key, api_url = running.role("server"), running.key, f"{running.url}/api/v1"
    one = [json.dumps({"run_slug": run})]
    many = [json.dumps({"run_slug": copy}) for copy in copies(state_url, run, DETAILS)]
    detail = f"{api_url}/run/detail"
    bare = f"http://127.0.0.1:{port}"
    found = [
        Target("limit: bare uvicorn", f"{bare}/", "x", one, pid),
        Target(f"limit: bare ASGI, {DETAILS} runs", f"{bare}/read", "x", many, pid),
        Target("run/detail, one run", detail, key, one, server),
        Target(f"run/detail, {DETAILS} runs", detail, key, many, server),
        Target(f"run/detail, {DETAILS} runs, commits", detail, key, many, server, state_url),
        Target("run/list", f"{api_url}/run/list", key, ["{}"], server),
        Target("account/info", f"{api_url}/account/info", key, ["{}"], server),
    ]
    last = count // 10
    pages = {"first": [1], "middle": [last // 2], "last": [last]}
    pages["anywhere"] = random.Random(13).sample(range(1, last + 1), min(1000, last))
    for name, numbers in pages.items():
        bodies = [
            json.dumps({"run_slug": run, "page_index": number, "page_size": 10})
            for number in numbers
        ]
        url = f"{api_url}/run/result/list"
        found.append(Target(f"page of 10 rows, {name}", url, key, bodies, server))
    return found


def report(
    found: Sequence[Target], options: argparse.Namespace, connections: int, rounds: int
) -> None:
    ask = measure_with_wrk if shutil.which("wrk") else measure_with_asyncio
    seen: dict[str, list[tuple[float, ...]]] = {target.name: [] for target in found}
    for _ in range(rounds):
        for target in found:
            before = cpu_seconds(target.pid)
            with committing(target.commits):
                rate, p50, p99 = ask(target, connections, options.seconds)
            cpu = (cpu_seconds(target.pid) - before) / (rate * options.seconds) * 1e6
            seen[target.name].append((rate, p50, p99, cpu))
    for name, figures in seen.items():
        rate, p50, p99, cpu = (statistics.median(v) for v in zip(*figures, strict=True))
        shown = f"{rate:8,.0f} req/s  p50 {p50:6.2f}  p99 {p99:6.2f} ms  {cpu:4.0f} us CPU"
        values = {"rate_per_s": rate, "p50_ms": p50, "p99_ms": p99, "cpu_us": cpu}
        line(f"{connections:2} connections: {name}", shown, **values)


def options_of(documentation: str | None) -> argparse.Namespace:
    parser = arguments(documentation)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--seconds", type=int, default=2, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


@contextlib.contextmanager
def limits(database: Path) -> Iterator[tuple[int, int]]:
    """The process of the limits and its port; ``database`` is that of the state."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    # the answer to run/detail has about 330 bytes
    limit = context.Process(target=serve_limit, args=(theirs, 330, str(database)), daemon=True)
    limit.start()
    try:
        yield limit.pid or 0, ours.recv()
    finally:
        limit.kill()
        limit.join()


def main() -> int:
    options = options_of(__doc__)
    head("REST reads")
    line("client", "wrk" if shutil.which("wrk") else "asyncio (wrk is not installed)")
    with platform_up() as (running, api), limits(running.home / "state.db") as limit:
        found = targets(running, api, options.rows, limit)
        report(found, options, 1, 1)
        report(found, options, CONNECTIONS, options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
