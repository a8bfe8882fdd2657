"""Calls of a hostile client over real sockets: the service survives, and attempts are isolated."""

from __future__ import annotations

import errno
import logging
import random
import resource
import socket
from collections.abc import Iterator

import hpack
import pytest

from fyke.sdk.frames import frame
from support.flooder import INFO, INPUT, PUSH, START, TABLE, message, prefixed
from support.h2_client import H2Client
from support.sdk_server import Platform, platform, rows_of

PATHS = (
    PUSH, INFO, TABLE, INPUT, b"/cafesdk.Result/PushData", b"/coresdk.Result/PushDatas",
    b"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", b"/grpc.health.v1.Health/Check",
    b"/coresdk.Progress/Set",
    b"/coresdk.Admin/Stop", b"", b"/", b"coresdk.Result/PushData", b"/coresdk.Result/PushData/",
    b"/coresdk.Result/../Log/Info", b"http://127.0.0.1/coresdk.Result/PushData", b"*", b"\xff/\0",
    b"/coresdk.result/pushdata", b"/coresdk.Result%2fPushData", b"/" + b"x" * 9000,
)  # fmt: skip
OTHERS = (b"victim", b"run-victim", b"../victim", b"run-victim\0", b"0", b"")
NAMES = (
    b"run-id", b"x-run-id", b"attempt", b"authorization", b"grpc-metadata", b"cookie", b"te",
    b":authority", b":path", b":method", b"content-type", b"grpc-encoding", b"grpc-timeout",
)  # fmt: skip
BODIES = (
    b'{"n":1}', b'{"run_id":"run-victim","attempt_id":"victim"}', b"[", b"\xff\xfe", b"[" * 3000,
    b'{"__run__":"victim"}', b'{"id":1,"_upsert_key":"id"}', b"", b"1e999", b'"\\ud800"',
)  # fmt: skip
PER_CONNECTION = 50


class Hostile:
    """Makes random calls; ``sent`` counts them."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self.sent = 0

    def connection(self, port: int) -> None:
        """Make calls on one connection, and read until it ends or is silent."""
        data = bytearray(START)
        for number in range(PER_CONNECTION):
            data += self._call(2 * number + 1)
        self.sent += PER_CONNECTION
        with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
            try:
                step = self._dice.choice((7, 100, 5000, len(data)))
                for at in range(0, len(data), step):
                    sock.sendall(data[at : at + step])
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65_536):
                    pass
            except TimeoutError:
                pytest.fail("the service hangs")
            except OSError as error:  # the service closed the connection
                assert isinstance(error, ConnectionError) or error.errno == errno.ENOTCONN

    def _call(self, stream: int) -> bytes:
        dice = self._dice
        block = self._block()
        cut = dice.randrange(len(block) + 1)
        body = prefixed(self._message()) if dice.random() < 0.8 else dice.randbytes(9)
        parts = [frame(1, 4, stream, block), frame(0, 1, stream, body)]
        if dice.random() < 0.1:
            parts[:1] = [frame(1, 0, stream, block[:cut]), frame(9, 4, stream, block[cut:])]
        if dice.random() < 0.1:
            parts.append(frame(3, 0, stream, dice.randbytes(4)))
        if dice.random() < 0.05:
            parts.append(frame(dice.randrange(12), dice.randrange(256), stream, dice.randbytes(6)))
        packet = b"".join(parts)
        if dice.random() < 0.02:
            at = dice.randrange(len(packet))
            packet = packet[:at] + dice.randbytes(1) + packet[at + 1 :]
        return packet

    def _block(self) -> bytes:
        dice = self._dice
        fields = [(b":method", b"POST"), (b":path", dice.choice(PATHS))]
        for _ in range(dice.randrange(5)):
            fields.append((dice.choice(NAMES), dice.choice(OTHERS)))
        if dice.random() < 0.05:
            fields.append((b"huge", b"y" * 14_000))
        # each block is encoded alone, without a table from the blocks before it
        encoder = hpack.Encoder()
        encoder.header_table_size = 0
        return bytes(encoder.encode(fields[: 1 + dice.randrange(8)], huffman=dice.random() < 0.5))[
            :16_000
        ]

    def _message(self) -> bytes:
        dice = self._dice
        if dice.random() < 0.3:
            return dice.randbytes(dice.randrange(60))
        encoded = message(dice.choice(BODIES))[5:]
        if dice.random() < 0.2:
            encoded += b"\x12" + bytes([len(OTHERS[1])]) + OTHERS[1]
        return encoded


@pytest.fixture
def fyke() -> Iterator[Platform]:
    with platform() as running_platform:
        yield running_platform


@pytest.mark.timeout(600)
@pytest.mark.parametrize("calls", [1000, pytest.param(10_000, marks=pytest.mark.long)])
def test_hostile_calls_neither_reach_another_attempt_nor_crash_the_service(
    fyke: Platform, calls: int, caplog: pytest.LogCaptureFixture
) -> None:
    failures: list[object] = []
    fyke.thread.loop.set_exception_handler(lambda _, context: failures.append(context))
    port, _ = fyke.thread.run(fyke.attempt("hostile", b'{"mine":1}'))
    victim, _ = fyke.thread.run(fyke.attempt("victim", b'{"secret":"of the victim"}'))
    hostile = Hostile(calls)
    hostile.connection(port)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with caplog.at_level(logging.ERROR):
        while hostile.sent < calls:
            hostile.connection(port)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert failures == [] and caplog.records == []
    assert {run for run, _, _ in fyke.results.stored} == {"run-hostile"}
    assert len(rows_of(fyke)) > calls / 50
    assert grown < 100 * 1024  # KiB
    for target_port in (port, victim):
        client = H2Client(target_port)
        assert client.call("/coresdk.Result/PushData", message(b'{"still":1}')[5:])
        answer = client.call("/coresdk.Parameter/GetInputJSONString", b"")
        assert (b"secret" in answer) == (target_port == victim)
        client.close()
    assert fyke.results.stored[-1][0] == "run-victim"
    assert all(server._open_streams == 0 for server in fyke.servers)
