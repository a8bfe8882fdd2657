"""A misbehaving attempt hardly delays another attempt on the same event loop."""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest

from support import flooder
from support.sdk_server import Platform, rows_of

import sdk_pb2  # isort: skip
import sdk_pb2_grpc  # isort: skip


@contextmanager
def flood(port: int, kind: str) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, flooder.__file__, str(port), kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"on\n"
    try:
        yield
    finally:
        process.kill()
        process.communicate()


def latencies(port: int, count: int = 200) -> float:
    """The median duration of a push of the other attempt, in seconds."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as connection:
        push = sdk_pb2_grpc.ResultStub(connection).PushData
        seconds = []
        for _ in range(count):
            started = time.perf_counter()
            assert push(sdk_pb2.Data(jsonString="{}"), timeout=20).code == 0
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


@pytest.mark.parametrize(
    "kind",
    [
        "ping",
        "settings",
        "unknown",
        "rows",
        "log",
        "resets",
        "fields",
        "junk",
        "columns",
        "connects",
    ],
)
def test_a_flood_does_not_delay_another_attempt(fyke: Platform, kind: str) -> None:
    flooded, _ = fyke.thread.run(fyke.attempt("flooder"))
    quiet_port, _ = fyke.thread.run(fyke.attempt("quiet"))
    before = latencies(quiet_port)
    with flood(flooded, kind):
        during = latencies(quiet_port)
    print(f"{kind}: p50 {before * 1e6:.0f} us before, {during * 1e6:.0f} us during the flood")
    # not a benchmark: without limits the other attempt gets no answer for many seconds
    assert during < 1
    assert sum(run == "run-quiet" for run, _, _ in fyke.results.stored) == 400


def test_a_flooding_worker_that_stops_is_served_again(fyke: Platform) -> None:
    port, _ = fyke.thread.run(fyke.attempt())
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
        sock.sendall((b"\0\0\x08\x06" + bytes(13)) * 3000)
        received = 0
        sock.settimeout(20)
        while received < 3000 * 17:
            data = sock.recv(65_536)
            assert data
            received += len(data)
    assert latencies(port, 20) < 1
    assert len(rows_of(fyke)) == 20
