"""A client with the ``h2`` library, which raises an error for every protocol violation of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from support.h2_client import HEADERS, Call, H2Client
from support.sdk_server import Platform


async def echo(path: str, message: bytes) -> bytes:
    if path == "/slow":
        await asyncio.sleep(0.05)
    return message


@pytest.fixture
def port(fyke: Platform) -> int:
    return int(fyke.thread.run(fyke.serve(echo)))


@pytest.fixture
def client(port: int) -> Iterator[H2Client]:
    client = H2Client(port)
    yield client
    client.close()


@pytest.mark.parametrize("size", [0, 1, 65_529, 65_530, 65_531, 200_000, 6_000_000])
@pytest.mark.parametrize("path", ["/fast", "/slow"])
def test_messages_of_every_size_are_returned(client: H2Client, size: int, path: str) -> None:
    message = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert client.call(path, message) == message
    assert client.call(path, b"next") == b"next"


@pytest.mark.parametrize(("frame", "pad"), [(1, None), (3, 0), (7, 5), (1000, 255)])
def test_small_and_padded_frames_are_accepted(
    client: H2Client, frame: int, pad: int | None
) -> None:
    client._frame = frame
    assert client.call("/x", b"message" * 20, pad=pad) == b"message" * 20


def test_more_padding_than_the_first_window_is_accepted(client: H2Client) -> None:
    client._frame = 20
    assert client.call("/x", b"m" * 10_000, pad=255) == b"m" * 10_000


@pytest.mark.parametrize("window", [0, 1, 100, 20_000])
def test_a_client_with_a_small_window_gets_the_whole_reply(port: int, window: int) -> None:
    client = H2Client(port, window=window)
    size = 3000 if window != 1 else 100
    calls = [client.start("/x", bytes([i]) * size) for i in range(5)]
    if not window:
        client.h2.update_settings({4: 30_000})
        client._flush()
    replies = [client.finish(call).message for call in calls]
    assert replies == [bytes([i]) * size for i in range(5)]
    client.close()


def test_a_negative_window_recovers(port: int) -> None:
    client = H2Client(port, window=60_000)
    call = client.start("/x", b"x" * 150_000)
    while len(call.body) < 30_000:
        client.receive()
    client.h2.update_settings({4: 1000})
    client._flush()
    client.call("/x", b"the settings have arrived")
    client.h2.increment_flow_control_window(150_000, min(client.calls))
    client._flush()
    assert client.finish(call).message == b"x" * 150_000
    client.close()


def test_streams_up_to_the_limit_are_served_at_once(client: H2Client) -> None:
    assert client.call("/x", b"settings are here") == b"settings are here"
    assert client.h2.remote_settings.max_concurrent_streams == 1000
    calls = [client.start("/slow", str(i).encode()) for i in range(1000)]
    assert [client.finish(call).message for call in calls] == [str(i).encode() for i in range(1000)]


def test_a_stream_above_the_limit_is_refused_and_can_be_retried(
    client: H2Client, fyke: Platform
) -> None:
    client.call("/x", b"")
    fyke.servers[0]._open_streams = 2000
    refused = client.finish(client.start("/x", b"1"))
    assert refused.reset == 7
    fyke.servers[0]._open_streams = 0
    assert client.call("/x", b"2") == b"2"


def test_a_reset_call_is_harmless(client: H2Client, fyke: Platform) -> None:
    for _ in range(50):
        client.start("/slow", b"x")
        client.h2.reset_stream(max(client.calls))
        client._flush()
    assert client.call("/slow", b"still here") == b"still here"
    assert fyke.servers[0]._open_streams == 0


def test_a_call_reset_while_its_reply_waits_is_harmless(port: int, fyke: Platform) -> None:
    client = H2Client(port, window=1000)
    call = client.start("/x", b"x" * 60_000)
    while len(call.body) < 1000:
        data = client.sock.recv(65_536)
        for event in client.h2.receive_data(data):
            if hasattr(event, "data") and hasattr(event, "flow_controlled_length"):
                call.body += event.data
    client.h2.reset_stream(max(client.calls))
    client.h2.update_settings({4: 65_535})
    client._flush()
    assert client.call("/x", b"y" * 5000) == b"y" * 5000
    assert fyke.servers[0]._open_streams == 0
    client.close()


def test_trailers_end_a_request(client: H2Client) -> None:
    stream = client.h2.get_next_available_stream_id()
    call = client.calls[stream] = Call()
    client.h2.send_headers(stream, [*HEADERS[:3], (":path", "/x"), HEADERS[3]])
    client.h2.send_data(stream, b"\x00\x00\x00\x00\x01t")
    client.h2.send_headers(stream, [("some", "trailer")], end_stream=True)
    client._flush()
    assert client.finish(call).message == b"t"


def test_connections_above_the_limit_are_refused(port: int) -> None:
    clients = [H2Client(port) for _ in range(32)]
    for client in clients:
        assert client.call("/x", b"in") == b"in"
    with pytest.raises(OSError):
        H2Client(port).call("/x", b"out")
    clients.pop().close()
    for client in clients:
        assert client.call("/x", b"still in") == b"still in"
        client.close()
    new_client = H2Client(port)
    assert new_client.call("/x", b"in again") == b"in again"
    new_client.close()
