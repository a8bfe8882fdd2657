"""Requests, answers and events, connections into the sandbox, and every kind of hostile bytes."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from fyke.kit.frames import MAX_FRAME, Frame, FrameClient, FramesEnded, encode
from fyke.sandbox.isolation.browser_host import open_channel

pytestmark = pytest.mark.anyio
SECONDS = 5.0


@dataclass
class Ends:
    """A client, the other ends of its control socket and channel, and what the client was told."""

    control: socket.socket
    other: socket.socket
    client: FrameClient = field(init=False)
    events: list[Frame] = field(default_factory=list)
    lost: asyncio.Future[str] = field(init=False)

    async def request(self) -> Frame:
        """Read one request."""
        loop = asyncio.get_running_loop()
        head = await loop.sock_recv(self.other, 4)
        body = await loop.sock_recv(self.other, int.from_bytes(head, "big"))
        frame: Frame = json.loads(body)
        return frame


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    ours, control = socket.socketpair()
    other = open_channel(control)
    other.setblocking(False)
    found = Ends(control, other)
    found.lost = asyncio.get_running_loop().create_future()
    found.client = FrameClient(ours, found.events.append, found.lost.set_result)
    yield found
    found.client.close()
    other.close()
    control.close()


async def test_an_answer_belongs_to_its_request(ends: Ends) -> None:
    first = asyncio.create_task(ends.client.ask("look", SECONDS, port=1))
    second = asyncio.create_task(ends.client.ask("look", SECONDS, port=2))
    requests = [await ends.request(), await ends.request()]
    assert [(r["type"], r["port"]) for r in requests] == [("look", 1), ("look", 2)]
    for request in reversed(requests):
        ends.other.send(encode({"type": "looked", "id": request["id"], "port": request["port"]}))
    assert (await first)["port"] == 1
    assert (await second)["port"] == 2


async def test_events_are_told(ends: Ends) -> None:
    packet = encode({"type": "ended", "instance": 0})
    for at in range(len(packet)):  # in parts
        ends.other.send(packet[at : at + 1])
    ends.other.send(encode({"type": "second"}))
    while len(ends.events) < 2:
        await asyncio.sleep(0)
    assert ends.events == [{"type": "ended", "instance": 0}, {"type": "second"}]


def _bytes(data: bytes) -> Callable[[socket.socket], None]:
    return lambda other: other.sendall(data)


HOSTILE = {
    "a huge frame": _bytes((MAX_FRAME + 1).to_bytes(4, "big")),
    "an empty frame": _bytes(bytes(4)),
    "no JSON": _bytes(b"\0\0\0\1{"),
    "deep JSON": _bytes((60_000).to_bytes(4, "big") + b"[" * 60_000),
    "no object": _bytes(b"\0\0\0\2[]"),
    "no type": _bytes(b"\0\0\0\2{}"),
    "no text": _bytes(b'\0\0\0\x03"\xff"'),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_bytes_end_the_connection_and_leave_no_descriptor(
    ends: Ends, name: str
) -> None:
    asked = asyncio.create_task(ends.client.ask("look", SECONDS))
    await ends.request()
    before = len(os.listdir("/proc/self/fd"))
    HOSTILE[name](ends.other)
    with pytest.raises(FramesEnded):
        await asked
    assert await ends.lost
    await asyncio.sleep(0)
    # control socket, channel, listener and client
    assert len(os.listdir("/proc/self/fd")) == before - 4


async def test_no_descriptor_is_accepted_after_the_first_message(ends: Ends) -> None:
    """The end of a descriptor that comes from inside could make this process wait."""
    asked = asyncio.create_task(ends.client.ask("start", SECONDS))
    await ends.request()
    with pytest.raises(BrokenPipeError):
        socket.send_fds(ends.control, [b"x"], [ends.other.fileno()])
    ends.other.send(encode({"type": "done", "id": 1}))
    await asked


def _nothing(control: socket.socket) -> None:
    control.close()


def _no_sockets(control: socket.socket) -> None:
    control.send(b"x")


def _two_sockets(control: socket.socket) -> None:
    socket.send_fds(control, [b"x"], [control.fileno()] * 2)


def _many_sockets(control: socket.socket) -> None:
    socket.send_fds(control, [b"x"], [control.fileno()] * 50)


@pytest.mark.parametrize("send", [_nothing, _no_sockets, _two_sockets, _many_sockets])
async def test_a_first_message_of_another_kind_ends_the_connection(
    send: Callable[[socket.socket], None],
) -> None:
    ours, control = socket.socketpair()
    before = len(os.listdir("/proc/self/fd"))
    lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    client = FrameClient(ours, lambda event: None, lost.set_result)
    asked = asyncio.create_task(client.ask("start", SECONDS))
    send(control)
    with pytest.raises(FramesEnded):
        await asked
    assert await lost
    control.close()
    assert len(os.listdir("/proc/self/fd")) == before - 2
    with pytest.raises(FramesEnded):
        await client.connect(1, SECONDS)


async def test_a_connection_ends_with_the_client(ends: Ends) -> None:
    asked = asyncio.create_task(ends.client.ask("start", SECONDS))
    await ends.request()
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        with await ends.client.connect(port, SECONDS):
            with pytest.raises(TimeoutError):  # its queue is full
                await ends.client.connect(port, 0.05)
            waiting = asyncio.create_task(ends.client.connect(port, SECONDS))
            await asyncio.sleep(0)
            ends.client.close()
            with pytest.raises(FramesEnded, match="was closed"):
                await waiting
    await asyncio.gather(asked, return_exceptions=True)


async def test_the_end_of_the_other_side_fails_what_waits(ends: Ends) -> None:
    asked = asyncio.create_task(ends.client.ask("look", SECONDS))
    await ends.request()
    ends.other.close()
    with pytest.raises(FramesEnded, match="ended"):
        await asked
    assert "ended" in await ends.lost
    with pytest.raises(FramesEnded):
        await ends.client.ask("look", SECONDS)


async def test_a_late_answer_is_dropped(ends: Ends) -> None:
    with pytest.raises(TimeoutError):
        await ends.client.ask("look", 0.001)
    request = await ends.request()
    ends.other.send(encode({"type": "looked", "id": request["id"]}))
    ends.other.send(encode({"type": "still"}))
    while not ends.events:
        await asyncio.sleep(0)
    assert not ends.lost.done()


async def test_after_close_nothing_is_told(ends: Ends) -> None:
    asked = asyncio.create_task(ends.client.ask("look", SECONDS))
    await ends.request()
    ends.client.close()
    ends.client.close()
    with pytest.raises(FramesEnded, match="closed"):
        await asked
    assert not ends.lost.done()


async def test_a_request_waits_for_a_slow_reader(ends: Ends) -> None:
    text = "x" * 60_000
    asked = [asyncio.create_task(ends.client.ask("start", SECONDS, text=text)) for _ in range(12)]
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < 12 * 60_000:
        data += await loop.sock_recv(ends.other, 1 << 20)
    for number in range(1, 13):
        ends.other.send(encode({"type": "done", "id": number}))
    assert [(await one)["id"] for one in asked] == list(range(1, 13))


async def test_a_side_that_never_reads_ends_the_connection(ends: Ends) -> None:
    with pytest.raises(TimeoutError):
        await ends.client.ask("start", 0.001)
    await ends.request()
    text = "x" * 60_000  # more than the kernel and the client keep
    asked = [asyncio.create_task(ends.client.ask("start", SECONDS, text=text)) for _ in range(400)]
    assert "does not read" in await ends.lost
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(result, FramesEnded) for result in results)


async def test_a_request_above_the_limit_is_refused(ends: Ends) -> None:
    with pytest.raises(ValueError, match="at most"):
        await ends.client.ask("start", SECONDS, text="x" * MAX_FRAME)
