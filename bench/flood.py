"""What a Worker that floods the SDK service does to its neighbour: the neighbour's p50, quiet and
flooded.

    python bench/flood.py [--calls 50] [--rounds 8] [--kinds ping,rows] [--store memory]

One process is the service of two attempts over the real store (SQLite in a temporary folder, every
row durable), one floods the first attempt over four connections as fast as it can, and here an
ordinary grpcio client calls the second one, call after call: a row, which waits for the disk, and
an input, which waits for nothing. The flooder is stopped and continued in turn, so that both
figures are taken under the same circumstances. The aim is a p50 within twice the quiet one.
``idle`` floods nothing but burns a core, as a Worker may.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import grpc
import uvloop
from common import ROOT, arguments, head, line

from fyke.storage.sql.results.migrate import migrate_results
from fyke.storage.sql.results.store import open_results
from support import flooder
from support.sdk_server import Platform

import sdk_pb2  # isort: skip
import sdk_pb2_grpc  # isort: skip

Times = tuple[list[float], list[float]]  # seconds, quiet and flooded

IDLE = "idle"
SETTLE = 0.3
INPUT = b'{"text":"' + b"x" * 2000 + b'"}'
BURN = 'print("on", flush=True)\nimport threading, sys, os\n' + (
    "threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0))).start()\nwhile True: pass\n"
)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--kinds", default=",".join([IDLE, *flooder.KINDS, flooder.CONNECTS]))
    parser.add_argument("--store", choices=["disk", "memory"], default="disk")
    options = parser.parse_args()
    head("A flood beside a quiet Worker")
    missed = []
    for kind in options.kinds.split(","):
        figures = measured(kind, options.store, options.rounds, options.calls)
        texts = []
        for call, (quiet, flooded) in figures.items():
            calm, storm = statistics.median(quiet), statistics.median(flooded)
            texts.append(
                f"{call} {calm * 1e6:5.0f} -> {storm * 1e6:6.0f} us ({storm / calm:4.1f}x)"
            )
            if storm > 2 * calm and kind != IDLE:
                missed.append(f"{kind} ({call})")
        line(kind, "   ".join(texts))
    line("over twice the quiet p50", ", ".join(missed) or "none")


def measured(kind: str, store: str, rounds: int, calls: int) -> dict[str, Times]:
    """Seconds of the calls in quiet and of those during the flood, in turn."""
    figures: dict[str, Times] = {"row": ([], []), "input": ([], [])}
    with service(store) as (flooded, quiet), flooding(flooded, kind) as process:
        for _ in range(rounds):
            for place, number in enumerate((signal.SIGSTOP, signal.SIGCONT)):
                process.send_signal(number)
                time.sleep(SETTLE)  # what is on its way ends; a budget for a first rush is used up
                for call, times in figures.items():
                    times[place].extend(taken(quiet, call, calls))
    return figures


def taken(port: int, call: str, calls: int) -> list[float]:
    """Seconds of each call."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as way:
        row, empty = sdk_pb2.Data(jsonString='{"a": 1}'), sdk_pb2.google_dot_protobuf_dot_empty__pb2
        push = sdk_pb2_grpc.ResultStub(way).PushData
        read = sdk_pb2_grpc.ParameterStub(way).GetInputJSONString
        times = []
        for _ in range(calls):
            began = time.perf_counter()
            answer = push(row, timeout=30) if call == "row" else read(empty.Empty(), timeout=30)
            times.append(time.perf_counter() - began)
            assert answer.code == 0, answer
    return times


@contextmanager
def flooding(port: int, kind: str) -> Iterator[subprocess.Popen[bytes]]:
    command = ["-c", BURN] if kind == IDLE else [flooder.__file__, str(port), kind]
    with subprocess.Popen(
        [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"on\n"
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def service(store: str) -> Iterator[tuple[int, int]]:
    """Ports of the attempt that is flooded and of the quiet one."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, store))
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("stop")
        process.join(30)
        process.kill()


def serve(control: Connection, store: str) -> None:
    uvloop.run(_serve(control, store))


async def _serve(control: Connection, store: str) -> None:
    platform = Platform(None)  # type: ignore[arg-type]  # this loop is the platform's
    with tempfile.TemporaryDirectory() as folder:
        results = None
        if store == "disk":
            url = f"sqlite:///{Path(folder) / 'rows.db'}"
            migrate_results(url)
            results = open_results(url, durable=True)
        await platform.start(results)
        ports = [(await platform.attempt(name, INPUT))[0] for name in ("flooder", "quiet")]
        control.send(tuple(ports))
        stop = asyncio.Event()
        asyncio.get_running_loop().add_reader(control.fileno(), stop.set)
        await stop.wait()
        await platform.stop()
        if results is not None:
            await results.close()


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "tests"))
    main()
