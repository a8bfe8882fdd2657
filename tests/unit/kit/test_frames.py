"""Requests, answers and events, the descriptors among them, and every kind of hostile bytes."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from fyke.kit.frames import MAX_FRAME, Frame, FrameClient, FramesEnded, encode

pytestmark = pytest.mark.anyio
SECONDS = 5.0


@dataclass
class Ends:
    """A client, the other end of its socket, and what the client was told."""

    other: socket.socket
    client: FrameClient = field(init=False)
    events: list[Frame] = field(default_factory=list)
    lost: asyncio.Future[str] = field(init=False)

    async def request(self) -> Frame:
        """Read one request."""
        import json

        loop = asyncio.get_running_loop()
        head = await loop.sock_recv(self.other, 4)
        body = await loop.sock_recv(self.other, int.from_bytes(head, "big"))
        frame: Frame = json.loads(body)
        return frame


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    ours, other = socket.socketpair()
    other.setblocking(False)
    found = Ends(other)
    found.lost = asyncio.get_running_loop().create_future()
    found.client = FrameClient(ours, found.events.append, found.lost.set_result)
    yield found
    found.client.close()
    other.close()


async def test_an_answer_belongs_to_its_request(ends: Ends) -> None:
    first = asyncio.create_task(ends.client.ask("dial", SECONDS, port=1))
    second = asyncio.create_task(ends.client.ask("dial", SECONDS, port=2))
    requests = [await ends.request(), await ends.request()]
    assert [(r["type"], r["port"]) for r in requests] == [("dial", 1), ("dial", 2)]
    for request in reversed(requests):
        ends.other.send(encode({"type": "dialed", "id": request["id"], "port": request["port"]}))
    assert (await first)[0]["port"] == 1
    assert (await second)[0]["port"] == 2


async def test_a_descriptor_belongs_to_the_frame_that_it_came_with(ends: Ends) -> None:
    """Even when the frame before is read late, and both lie in the socket."""
    first = asyncio.create_task(ends.client.ask("one", SECONDS))
    second = asyncio.create_task(ends.client.ask("two", SECONDS))
    requests = [await ends.request(), await ends.request()]
    left, right = socket.socketpair()
    ends.other.send(encode({"type": "done", "id": requests[0]["id"]}))
    socket.send_fds(
        ends.other, [encode({"type": "done", "id": requests[1]["id"]})], [left.fileno()]
    )
    left.close()
    assert (await first)[1] is None
    received = (await second)[1]
    assert received is not None
    assert not received.get_inheritable()
    received.send(b"x")
    assert right.recv(1) == b"x"
    received.close()
    right.close()


async def test_events_are_told(ends: Ends) -> None:
    packet = encode({"type": "ended", "instance": 0})
    for at in range(len(packet)):  # in parts
        ends.other.send(packet[at : at + 1])
    ends.other.send(encode({"type": "second"}))
    while len(ends.events) < 2:
        await asyncio.sleep(0)
    assert ends.events == [{"type": "ended", "instance": 0}, {"type": "second"}]


def _two_descriptors(other: socket.socket) -> None:
    socket.send_fds(other, [encode({"type": "done", "id": 1})], [0, 0])


def _one_with_each_half(other: socket.socket) -> None:
    packet = encode({"type": "done", "id": 1})
    socket.send_fds(other, [packet[:6]], [0])
    socket.send_fds(other, [packet[6:]], [0])


def _many_descriptors(other: socket.socket) -> None:
    socket.send_fds(other, [encode({"type": "done", "id": 1})], [0] * 50)


def _event_with_descriptor(other: socket.socket) -> None:
    socket.send_fds(other, [encode({"type": "ended"})], [other.fileno()])


def _no_socket(other: socket.socket) -> None:
    null = os.open("/dev/null", os.O_RDONLY)
    socket.send_fds(other, [encode({"type": "done", "id": 1})], [null])
    os.close(null)


def _bytes(data: bytes) -> Callable[[socket.socket], None]:
    return lambda other: other.sendall(data)


HOSTILE = {
    "two descriptors": _two_descriptors,
    "a descriptor with each half": _one_with_each_half,
    "many descriptors": _many_descriptors,
    "an event with a descriptor": _event_with_descriptor,
    "a file": _no_socket,
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
    asked = asyncio.create_task(ends.client.ask("dial", SECONDS))
    await ends.request()
    before = len(os.listdir("/proc/self/fd"))
    HOSTILE[name](ends.other)
    with pytest.raises(FramesEnded):
        await asked
    assert await ends.lost
    assert len(os.listdir("/proc/self/fd")) == before - 1


async def test_the_end_of_the_other_side_fails_what_waits(ends: Ends) -> None:
    asked = asyncio.create_task(ends.client.ask("dial", SECONDS))
    await ends.request()
    ends.other.close()
    with pytest.raises(FramesEnded, match="ended"):
        await asked
    assert "ended" in await ends.lost
    with pytest.raises(FramesEnded):
        await ends.client.ask("dial", SECONDS)


async def test_a_late_answer_is_dropped_with_its_descriptor(ends: Ends) -> None:
    with pytest.raises(TimeoutError):
        await ends.client.ask("dial", 0.001)
    request = await ends.request()
    left, right = socket.socketpair()
    packet = encode({"type": "dialed", "id": request["id"]})
    socket.send_fds(ends.other, [packet], [left.fileno()])
    left.close()
    right.setblocking(False)
    assert await asyncio.get_running_loop().sock_recv(right, 1) == b""
    right.close()
    ends.other.send(encode({"type": "still"}))
    while not ends.events:
        await asyncio.sleep(0)


async def test_after_close_nothing_is_told(ends: Ends) -> None:
    asked = asyncio.create_task(ends.client.ask("dial", SECONDS))
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
    assert [(await one)[0]["id"] for one in asked] == list(range(1, 13))


async def test_a_side_that_never_reads_ends_the_connection(ends: Ends) -> None:
    text = "x" * 60_000
    asked = [asyncio.create_task(ends.client.ask("start", SECONDS, text=text)) for _ in range(40)]
    assert "does not read" in await ends.lost
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(result, FramesEnded) for result in results)


async def test_a_request_above_the_limit_is_refused(ends: Ends) -> None:
    with pytest.raises(ValueError, match="at most"):
        await ends.client.ask("start", SECONDS, text="x" * MAX_FRAME)
