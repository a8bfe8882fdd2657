"""Measures rows per second that Python Workers push one at a time, each acknowledged.

    python bench/rows.py [--rows 3000] [--bytes 200] [--rounds 3] [--durability disk,process]

Boots a whole platform for each durability. The Worker runs in its sandbox, pushes sequentially
through the Python SDK and times every call; the figures are its own. In alternating rounds the same
program runs outside of the platform with an SDK service that stores nothing (a separate process on
loopback, without a sandbox), which measures the transport alone. Prints

* one Worker: rows/s, p50 of an acknowledgement, and the ratio to the service that stores nothing;
* one disk sync (a page appended with fdatasync) on the same disk, and the p50 of an acknowledgement
  minus that of the service that stores nothing, in syncs;
* eight Workers at once: rows/s of all between the first push and the last, and the CPU time of the
  runner a row (with the starts of the Workers).
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from common import (
    ROOT,
    arguments,
    cpu_seconds,
    head,
    line,
    percentile,
    platform_up,
    sync_times,
)

from fyke.sdk.http2 import serve
from fyke.sdk.service import SdkService
from support.projects import python_project

WORKERS = 8
WORKER = """import time
from sdk import CoreSDK

task = CoreSDK.Parameter.get_input_json_dict()
row = {"text": "x" * (task["bytes"] - 12)}
push = CoreSDK.Result.push_data
for _ in range(task["rows"] // 10):
    push(row)
time.sleep(max(0, task.get("at", 0) - time.monotonic()))
times = []
started = time.monotonic()
for _ in range(task["rows"]):
    before = time.perf_counter()
    push(row)
    times.append(time.perf_counter() - before)
ended = time.monotonic()
times.sort()
push({"started": started, "ended": ended, "p50": times[len(times) // 2],
      "p99": times[len(times) * 99 // 100]})
"""


class StoringNothing:
    """The interface of an attempt for the SDK service, without a store; keeps only the last row."""

    last = b""

    def note_call(self) -> None:
        pass

    async def push(self, text: bytes) -> None:
        self.last = text


def serve_nothing(control: Connection, task: str) -> None:
    """Run the SDK service for one Worker; send its last row on request."""

    async def run() -> None:
        attempt: Any = StoringNothing()
        listener = socket.create_server(("127.0.0.1", 0))
        server = await serve(listener, SdkService(attempt, task.encode()).handle)
        control.send(listener.getsockname()[1])
        await asyncio.to_thread(control.recv)
        control.send(attempt.last)
        await server.close()

    import uvloop

    uvloop.run(run())


def without_store(task: dict[str, Any]) -> dict[str, Any]:
    """Run the Worker with the service that stores nothing."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    service = context.Process(target=serve_nothing, args=(theirs, json.dumps(task)), daemon=True)
    service.start()
    address = f'"127.0.0.1:{ours.recv()}"'
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        for path in (ROOT / "sdk" / "python").glob("*.py"):
            source = path.read_text().replace('"127.0.0.1:20086"', address)
            (folder / path.name).write_text(source)
        (folder / "main.py").write_text(WORKER)
        subprocess.run([sys.executable, "main.py"], cwd=folder, check=True)
    ours.send("end")
    seen: dict[str, Any] = json.loads(ours.recv())
    service.join()
    return seen


def last_row(api, run: str) -> dict[str, Any]:
    count = api.ended(run)["results"]
    body = {"run_slug": run, "page_index": count, "page_size": 1}
    [row] = api.post("/api/v1/run/result/list", body)["list"]
    return row


def one_worker(api, worker: str, task: dict[str, Any]) -> dict[str, Any]:
    return last_row(api, api.start(worker, task, cpus=2)["run_slug"])


def many_workers(api, worker: str, task: dict[str, Any]) -> tuple[float, float]:
    """The total rows per second, and the median of the Workers' p99 in ms."""
    timed = {**task, "at": time.monotonic() + 6}
    runs = [api.start(worker, timed, cpus=2)["run_slug"] for _ in range(WORKERS)]
    seen = [last_row(api, run) for run in runs]
    seconds = max(s["ended"] for s in seen) - min(s["started"] for s in seen)
    return WORKERS * task["rows"] / seconds, statistics.median(s["p99"] for s in seen) * 1000


def report_one(
    kind: str, task: dict[str, Any], nothing: list, stored: list, syncs: list[float]
) -> None:
    def rate(seen: dict[str, Any]) -> float:
        return task["rows"] / (seen["ended"] - seen["started"])

    for name, rounds in (("SDK service storing nothing", nothing), ("one Worker", stored)):
        p50 = statistics.median(s["p50"] for s in rounds) * 1e6
        p99 = statistics.median(s["p99"] for s in rounds) * 1e6
        rates = statistics.median(map(rate, rounds))
        text = f"{rates:7,.0f} rows/s  p50 {p50:5,.0f} us  p99 {p99:6,.0f} us"
        line(f"  {name}, {kind}", text, rate_per_s=rates, p50_us=p50, p99_us=p99)
    ratios = [rate(s) / rate(n) for s, n in zip(stored, nothing, strict=True)]
    ratio = statistics.median(ratios)
    line(f"  one Worker against storing nothing, {kind}", f"{ratio:.2f} of rows/s", ratio=ratio)
    sync = statistics.median(syncs)
    more = statistics.median(s["p50"] - n["p50"] for s, n in zip(stored, nothing, strict=True))
    text = f"p50 {sync * 1e6:,.0f} us  p90 {percentile(syncs, 0.9) * 1e6:,.0f} us  (n={len(syncs)})"
    line(f"  one disk sync, {kind}", text, p50_us=sync * 1e6)
    text = f"{more * 1e6:,.0f} us = {more / sync:.2f} disk syncs"
    line(f"  p50 above storing nothing, {kind}", text, more_us=more * 1e6, more_syncs=more / sync)


def measure(durability: str, rows: int, size: int, rounds: int) -> None:
    settings = {"durability": durability, "runner_cpus": "32", "runner_memory_mb": "65536"}
    task = {"rows": rows, "bytes": size}
    with platform_up(**settings) as (running, api):
        worker = running.push(python_project(WORKER), "bench-rows")
        one_worker(api, worker, {**task, "rows": 100})
        nothing, stored, syncs = [], [], []
        for _ in range(rounds):
            nothing.append(without_store(task))
            syncs += sync_times(running.folder, 0.5)
            stored.append(one_worker(api, worker, task))
        line(f"durability {durability}", f"{rounds} rounds of {rows} rows of {size} bytes")
        report_one(durability, task, nothing, stored, syncs)
        runner = running.role("runner")
        before = cpu_seconds(runner)
        many = [many_workers(api, worker, task) for _ in range(rounds)]
        pushed = rounds * WORKERS * (rows + rows // 10 + 1)
        cpu = (cpu_seconds(runner) - before) / pushed * 1e6
        rates = ", ".join(f"{rate:,.0f}" for rate, _ in many)
        rate, p99 = (statistics.median(values) for values in zip(*many, strict=True))
        text = f"{rate:7,.0f} rows/s  p99 {p99:.1f} ms  {cpu:.0f} us CPU  ({rates})"
        name = f"  {WORKERS} Workers at once, {durability}"
        line(name, text, rate_per_s=rate, p99_ms=p99, cpu_us=cpu)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--bytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--durability", default="disk,process")
    options = parser.parse_args()
    head("Rows acknowledged")
    for durability in options.durability.split(","):
        measure(durability, options.rows, options.bytes, options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
