"""Measures how a Worker that floods the SDK service slows down its neighbour: the neighbour's p50
latency without and with the flood.

    python bench/flood.py [--calls 50] [--rounds 8] [--kinds ping,rows] [--store memory]

One process serves two attempts from the real store (SQLite in a temporary folder, every row
durable). A second process floods the first attempt over four connections as fast as it can. This
process is an ordinary grpcio client of the second attempt, with one call at a time: pushing a row,
which waits for the disk, and reading the input, which does not. The flooder is paused and continued
in turn, so that both figures are taken under the same conditions. The aim is a p50 of at most twice
the quiet one. The kind ``idle`` sends nothing but uses a whole core, as a Worker may.
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
    missed, ratios = [], [0.0]
    for kind in options.kinds.split(","):
        figures = measured(kind, options.store, options.rounds, options.calls)
        texts = []
        for call, (quiet, flooded) in figures.items():
            quiet_p50, flooded_p50 = statistics.median(quiet), statistics.median(flooded)
            texts.append(
                f"{call} {quiet_p50 * 1e6:5.0f} -> {flooded_p50 * 1e6:6.0f} us "
                f"({flooded_p50 / quiet_p50:4.1f}x)"
            )
            if kind != IDLE:
                ratios.append(flooded_p50 / quiet_p50)
                missed += [f"{kind} ({call})"] if ratios[-1] > 2 else []
        line(kind, "   ".join(texts))
    line("over twice the quiet p50", ", ".join(missed) or "none", worst_times=max(ratios))


def measured(kind: str, store: str, rounds: int, calls: int) -> dict[str, Times]:
    """Seconds of each call, without and with the flood, measured in turn."""
    figures: dict[str, Times] = {"row": ([], []), "input": ([], [])}
    with service(store) as (flooded, quiet), flooding(flooded, kind) as process:
        for _ in range(rounds):
            for place, number in enumerate((signal.SIGSTOP, signal.SIGCONT)):
                process.send_signal(number)
                time.sleep(SETTLE)  # until pending calls have ended and the initial burst is over
                for call, times in figures.items():
                    times[place].extend(taken(quiet, call, calls))
    return figures


def taken(port: int, call: str, calls: int) -> list[float]:
    """Seconds of each call."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        row, empty = sdk_pb2.Data(jsonString='{"a": 1}'), sdk_pb2.google_dot_protobuf_dot_empty__pb2
        push = sdk_pb2_grpc.ResultStub(channel).PushData
        read = sdk_pb2_grpc.ParameterStub(channel).GetInputJSONString
        times = []
        for _ in range(calls):
            started = time.perf_counter()
            answer = push(row, timeout=30) if call == "row" else read(empty.Empty(), timeout=30)
            times.append(time.perf_counter() - started)
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
    """The ports of the flooded and of the quiet attempt."""
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
    platform = Platform(None)  # type: ignore[arg-type]  # it uses this event loop
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
