"""From the grpcio client to the disk and back: the service with the real store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from fyke.storage.sql.results.store import open_results
from support.prepared import rows_in
from support.sdk_server import LoopThread, Platform

import sdk_pb2  # isort: skip
import sdk_pb2_grpc  # isort: skip


@pytest.fixture
def fyke(tmp_path: Path) -> Iterator[Platform]:
    url = rows_in(tmp_path)
    thread = LoopThread()
    running = Platform(thread)
    results = open_results(url, durable=True)
    thread.run(running.start(results))
    yield running
    thread.run(running.stop())
    thread.run(results.close())
    thread.stop()


def test_acknowledged_rows_are_stored(fyke: Platform) -> None:
    ports = [fyke.thread.run(fyke.attempt(name)) for name in "ab"]

    def push(i: int) -> int:
        row = {"i": i, "text": "\u00e9" * 20, "exact": 10**40 + i}
        return int(pushes[i % 2](sdk_pb2.Data(jsonString=json.dumps(row))).code)

    options = [("grpc.use_local_subchannel_pool", 1)]
    connections = [grpc.insecure_channel(f"127.0.0.1:{port}", options=options) for port, _ in ports]
    pushes = [sdk_pb2_grpc.ResultStub(connection).PushData for connection in connections]
    with ThreadPoolExecutor(16) as threads:
        assert set(threads.map(push, range(1000))) == {0}
    for connection in connections:
        connection.close()
    assert [fyke.thread.run(attempt.close()) for _, attempt in ports] == [500, 500]
    rows = fyke.thread.run(fyke.results.page("run-a", frozenset(), offset=0, limit=1000))
    assert sorted(json.loads(row.data)["i"] for row in rows) == list(range(0, 1000, 2))
    assert all(json.loads(row.data)["exact"] > 10**40 - 1 for row in rows)


def test_upserts_headers_and_log_are_stored(fyke: Platform) -> None:
    port, attempt = fyke.thread.run(fyke.attempt())
    with grpc.insecure_channel(f"127.0.0.1:{port}") as connection:
        result = sdk_pb2_grpc.ResultStub(connection)
        for i in range(20):
            marked = {"id": i % 4, f"f{i}": i}
            marked |= {"__coreclaw_upsert_key__": "id", "__coreclaw_upsert_value__": str(i % 4)}
            assert result.PushData(sdk_pb2.Data(jsonString=json.dumps(marked))).code == 0
        item = sdk_pb2.TableHeaderItem(label="Id", key="id", format="text")
        assert result.SetTableHeader(sdk_pb2.TableHeader(headers=[item])).code == 0
        sdk_pb2_grpc.LogStub(connection).Info(sdk_pb2.LogBody(log="nul \x00 here"))
    assert fyke.thread.run(attempt.close()) == 4
    rows = fyke.thread.run(fyke.results.page("run-a", frozenset(), offset=0, limit=10))
    assert [len(json.loads(row.data)) for row in rows] == [6, 6, 6, 6]
    (header,) = fyke.thread.run(fyke.results.headers("run-a"))
    assert header.key == "id"
    lines = fyke.thread.run(fyke.results.log_tail("run-a", 10))
    assert [line.content for line in lines] == ["nul \ufffd here"]
