"""Measures the rows per second of one sequential grpcio client: our SDK service against grpc.aio.

Neither server stores anything, so only the transport is measured. They alternate, round after
round, in one session, because figures of different sessions cannot be compared.

    python bench/sdk_service.py [--rounds 5] [--rows 4000] [--bytes 900]
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import resource
import socket
import statistics
import sys
import time
from multiprocessing.connection import Connection

import grpc
from common import ROOT, arguments, head, line

sys.path.insert(0, str(ROOT / "sdk" / "python"))

import sdk_pb2
import sdk_pb2_grpc

from fyke.sdk import messages
from fyke.sdk.http2 import serve


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--bytes", type=int, default=900)
    options = parser.parse_args()
    head("SDK service against grpc.aio, both storing nothing")
    row = json.dumps({"text": "x" * (options.bytes - 12)})
    figures: dict[str, list[tuple[float, float, float]]] = {"fyke": [], "grpc.aio": []}
    for _ in range(options.rounds):
        for name, target in (("fyke", run_ours), ("grpc.aio", run_grpc_aio)):
            figures[name].append(measure(target, row, options.rows))
    line("medians of", f"{options.rounds} rounds of {options.rows} rows of {len(row)} bytes")
    for name, rounds in figures.items():
        rate, p50, cpu = (statistics.median(values) for values in zip(*rounds, strict=True))
        text = f"{rate:8,.0f} rows/s  p50 {p50:5.0f} us  server CPU {cpu:4.0f} us a row"
        line(name, text, rate_per_s=rate, p50_us=p50, cpu_us=cpu)


def measure(target, row: str, count: int) -> tuple[float, float, float]:
    """(rows a second, median latency in us, server CPU in us a row)."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=target, args=(theirs,))
    process.start()
    port = ours.recv()
    channel = grpc.insecure_channel(
        f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)]
    )
    push = sdk_pb2_grpc.ResultStub(channel).PushData
    data = sdk_pb2.Data(jsonString=row)
    for _ in range(count // 10):
        push(data)
    ours.send("cpu")
    cpu_before = ours.recv()
    latencies = []
    started = time.perf_counter()
    for _ in range(count):
        before = time.perf_counter()
        push(data)
        latencies.append(time.perf_counter() - before)
    seconds = time.perf_counter() - started
    ours.send("cpu")
    cpu = ours.recv() - cpu_before
    channel.close()
    ours.send("stop")
    process.join()
    return count / seconds, statistics.median(latencies) * 1e6, cpu / count * 1e6


async def answer(control: Connection) -> None:
    """Send the CPU time used so far at each request, until "stop" comes."""
    loop = asyncio.get_running_loop()
    asked: asyncio.Queue[None] = asyncio.Queue()
    loop.add_reader(control.fileno(), asked.put_nowait, None)
    while True:
        await asked.get()
        if not control.poll():
            continue
        if control.recv() == "stop":
            return
        usage = resource.getrusage(resource.RUSAGE_SELF)
        control.send(usage.ru_utime + usage.ru_stime)


def run_ours(control: Connection) -> None:
    reply = messages.write_response(0, "success")

    async def handle(path: str, message: bytes) -> bytes:
        messages.read_text(message)
        return reply

    async def run() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        control.send(listener.getsockname()[1])
        server = await serve(listener, handle)
        await answer(control)
        await server.close()

    asyncio.run(run())


def run_grpc_aio(control: Connection) -> None:
    class Result(sdk_pb2_grpc.ResultServicer):
        async def PushData(self, request, context):
            return sdk_pb2.Response(code=0, message="success")

    async def run() -> None:
        server = grpc.aio.server()
        sdk_pb2_grpc.add_ResultServicer_to_server(Result(), server)
        control.send(server.add_insecure_port("127.0.0.1:0"))
        await server.start()
        await answer(control)
        await server.stop(None)

    asyncio.run(run())


if __name__ == "__main__":
    main()
