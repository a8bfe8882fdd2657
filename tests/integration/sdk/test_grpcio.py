"""The grpcio client with our service: methods, concurrency and message sizes."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty

from fyke.model.log import LogType
from fyke.model.progress import WorkerProgress
from support.sdk_server import Platform, rows_of

import sdk_pb2  # isort: skip - found by support.sdk_server
import sdk_pb2_grpc  # isort: skip

LARGE = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
]


def channel(port: int) -> grpc.Channel:
    return grpc.insecure_channel(f"127.0.0.1:{port}", options=LARGE)


def test_every_method_works(fyke: Platform) -> None:
    port, attempt = fyke.thread.run(fyke.attempt(input_json='{"url":"é"}'.encode()))
    with channel(port) as connection:
        reply = sdk_pb2_grpc.ParameterStub(connection).GetInputJSONString(Empty())
        assert (reply.code, reply.jsonString) == (0, '{"url":"é"}')
        result, log = sdk_pb2_grpc.ResultStub(connection), sdk_pb2_grpc.LogStub(connection)
        items = [sdk_pb2.TableHeaderItem(label="L", key="k", format="text")]
        call_reply = result.SetTableHeader(sdk_pb2.TableHeader(headers=items))
        assert (call_reply.code, call_reply.message) == (0, "success")
        call_reply = result.PushData(sdk_pb2.Data(jsonString='{"n": 12345678901234567890}'))
        assert (call_reply.code, call_reply.message) == (0, "success")
        for level in ("Debug", "Info", "Warn", "Error"):
            assert getattr(log, level)(sdk_pb2.LogBody(log=f"line {level}")).code == 0
        body = sdk_pb2.ProgressBody(done=2, total=8, text="page 2")
        call_reply = sdk_pb2_grpc.ProgressStub(connection).Set(body)
        assert (call_reply.code, call_reply.message) == (0, "success")
    assert attempt.progress == WorkerProgress(2, 8, "page 2")
    fyke.thread.run(attempt.flush())
    assert rows_of(fyke) == [b'{"n":12345678901234567890}']
    entries = [e for batches in fyke.results.batches for b in batches for e in b.log]
    assert [(e.type, e.content) for e in entries] == [
        (LogType.DEBUG, "line Debug"),
        (LogType.INFO, "line Info"),
        (LogType.WARN, "line Warn"),
        (LogType.ERROR, "line Error"),
    ]
    assert attempt.first_call_at is not None


def test_the_older_package_name_works(fyke: Platform) -> None:
    port, _ = fyke.thread.run(fyke.attempt())
    with channel(port) as connection:
        push = connection.unary_unary(
            "/cafesdk.Result/PushData",
            request_serializer=sdk_pb2.Data.SerializeToString,
            response_deserializer=sdk_pb2.Response.FromString,
        )
        assert push(sdk_pb2.Data(jsonString="{}")).code == 0
    assert rows_of(fyke) == [b"{}"]


@pytest.mark.parametrize("path", ["/coresdk.Result/Delete", "/other.Service/PushData", "/x"])
def test_other_methods_are_unimplemented(fyke: Platform, path: str) -> None:
    port, _ = fyke.thread.run(fyke.attempt())
    with channel(port) as connection, pytest.raises(grpc.RpcError) as failed:
        connection.unary_unary(path)(b"")
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert path in failed.value.details()


def test_large_messages_work_in_both_directions(fyke: Platform) -> None:
    large_input = json.dumps({"urls": [f"https://example.com/{i}" for i in range(110_000)]})
    assert len(large_input) > 3_000_000
    port, attempt = fyke.thread.run(fyke.attempt(input_json=large_input.encode()))
    with channel(port) as connection:
        answer = sdk_pb2_grpc.ParameterStub(connection).GetInputJSONString(Empty())
        assert answer.jsonString == large_input
        row = json.dumps({"html": "x" * 6_000_000})
        result = sdk_pb2_grpc.ResultStub(connection)
        assert result.PushData(sdk_pb2.Data(jsonString=row)).code == 0
        line = "l" * 200_000
        assert sdk_pb2_grpc.LogStub(connection).Info(sdk_pb2.LogBody(log=line)).code == 0
        too_large = result.PushData(sdk_pb2.Data(jsonString=json.dumps("x" * (8 * 2**20 + 1))))
        assert too_large.code != 0
        assert "8 MiB" in too_large.message
        with pytest.raises(grpc.RpcError) as failed:
            result.PushData(sdk_pb2.Data(jsonString="x" * (16 * 2**20 + 1)))
        assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "16 MiB" in failed.value.details()
        assert result.PushData(sdk_pb2.Data(jsonString="{}")).code == 0
    fyke.thread.run(attempt.flush())
    assert [len(row) for row in rows_of(fyke)] == [len(row) - 1, 2]
    assert fyke.results.lines[0].endswith("cut at 16 KiB]")


def test_twenty_threads_lose_no_row(fyke: Platform) -> None:
    port, _ = fyke.thread.run(fyke.attempt())
    with channel(port) as connection, ThreadPoolExecutor(20) as threads:
        push = sdk_pb2_grpc.ResultStub(connection).PushData
        codes = list(threads.map(lambda i: push(sdk_pb2.Data(jsonString=str(i))).code, range(2000)))
    assert codes == [0] * 2000
    values = sorted(json.loads(row)["value"] for row in rows_of(fyke))
    assert values == list(range(2000))


def test_large_rows_from_many_threads_are_stored_in_turn(fyke: Platform) -> None:
    port, _ = fyke.thread.run(fyke.attempt())
    row = json.dumps("x" * 7_000_000)
    with channel(port) as connection, ThreadPoolExecutor(12) as threads:
        push = sdk_pb2_grpc.ResultStub(connection).PushData
        codes = list(
            threads.map(lambda _: push(sdk_pb2.Data(jsonString=row), timeout=60).code, range(14))
        )
    assert codes == [0] * 14
    assert fyke.servers[0].admission._used == 0
    assert fyke.servers[0]._open_streams == 0


def test_a_thousand_concurrent_calls_succeed(fyke: Platform) -> None:
    port, _ = fyke.thread.run(fyke.attempt())

    async def many() -> list[int]:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=LARGE) as connection:
            push = sdk_pb2_grpc.ResultStub(connection).PushData
            replies = await asyncio.gather(
                *(push(sdk_pb2.Data(jsonString=str(i))) for i in range(1500))
            )
            return [reply.code for reply in replies]

    assert asyncio.run(many()) == [0] * 1500
    assert len(rows_of(fyke)) == 1500


def test_a_row_is_acknowledged_only_after_the_commit(fyke: Platform) -> None:
    port, _ = fyke.thread.run(fyke.attempt())
    with channel(port) as connection:
        push = sdk_pb2_grpc.ResultStub(connection).PushData
        push(sdk_pb2.Data(jsonString="1"))
        fyke.thread.loop.call_soon_threadsafe(fyke.results.unblocked.clear)
        waiting = push.future(sdk_pb2.Data(jsonString="2"))
        with pytest.raises(grpc.FutureTimeoutError):
            waiting.result(timeout=0.3)
        with pytest.raises(grpc.RpcError) as expired:
            push(sdk_pb2.Data(jsonString="3"), timeout=0.2)
        assert expired.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert len(rows_of(fyke)) == 1
        fyke.thread.loop.call_soon_threadsafe(fyke.results.unblocked.set)
        assert waiting.result(timeout=10).code == 0
        # the cancelled call had already been sent: its row is stored, which is harmless
        assert push(sdk_pb2.Data(jsonString="4")).code == 0
    assert len(rows_of(fyke)) == 4
    assert fyke.servers[0]._open_streams == 0


def test_a_closed_attempt_gets_an_error(fyke: Platform) -> None:
    port, attempt = fyke.thread.run(fyke.attempt())
    fyke.thread.run(attempt.close())
    with channel(port) as connection:
        reply = sdk_pb2_grpc.ResultStub(connection).PushData(sdk_pb2.Data(jsonString="{}"))
    assert reply.code != 0
    assert "ended" in reply.message


def test_compressed_calls_are_refused_with_a_reason(fyke: Platform) -> None:
    port, _ = fyke.thread.run(fyke.attempt())
    with channel(port) as connection, pytest.raises(grpc.RpcError) as failed:
        sdk_pb2_grpc.ResultStub(connection).PushData(
            sdk_pb2.Data(jsonString="x" * 5000), compression=grpc.Compression.Gzip
        )
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_an_invalid_message_is_an_invalid_argument(fyke: Platform) -> None:
    port, _ = fyke.thread.run(fyke.attempt())
    with channel(port) as connection, pytest.raises(grpc.RpcError) as failed:
        connection.unary_unary("/coresdk.Result/PushData")(b"\x0a\xff")
    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("error", [KeyError("x"), asyncio.CancelledError()])
def test_a_failing_handler_is_an_internal_error(fyke: Platform, error: BaseException) -> None:
    async def handle(path: str, message: bytes) -> bytes:
        raise error

    port = fyke.thread.run(fyke.serve(handle))
    with channel(port) as connection, pytest.raises(grpc.RpcError) as failed:
        connection.unary_unary("/x")(b"")
    assert failed.value.code() is grpc.StatusCode.INTERNAL


def test_closing_ends_running_calls(fyke: Platform) -> None:
    async def handle(path: str, message: bytes) -> bytes:
        await asyncio.sleep(3600)
        return b""

    port = fyke.thread.run(fyke.serve(handle))
    with channel(port) as connection:
        call = connection.unary_unary("/x").future(b"")
        with pytest.raises(grpc.FutureTimeoutError):
            call.result(timeout=0.2)
        fyke.thread.run(fyke.servers[0].close())
        with pytest.raises(grpc.RpcError):
            call.result(timeout=10)
    fyke.thread.run(fyke.servers[0].close())
    assert not fyke.servers[0]._tasks
