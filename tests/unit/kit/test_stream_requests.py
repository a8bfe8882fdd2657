"""Requests over a stream: in both directions, limits, errors, and a connection that ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fyke.kit.stream_frames import MAX_MESSAGE, MessageKind, SendLane
from fyke.kit.stream_requests import (
    MAX_BYTES,
    MAX_REQUESTS,
    MAX_SERVED,
    RequestAllowance,
    RequestFailed,
    StreamLost,
    StreamRequests,
)
from support.egress import until

pytestmark = pytest.mark.anyio

CONTROL, BULK, URGENT = SendLane.CONTROL, SendLane.BULK, SendLane.URGENT


class End:
    """One end. It answers with the request in upper case, once ``gate`` is open."""

    def __init__(self) -> None:
        self.served: list[bytes] = []
        self.notices: list[bytes] = []
        self.losses: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.requests = StreamRequests(
            self.serve, self.notices.append, self.losses.append, lambda e: repr(e).encode()
        )

    async def serve(self, body: bytes) -> bytes:
        self.served.append(body[:20])
        await self.gate.wait()
        if body == b"refuse":
            raise RequestFailed(b"no")
        if body == b"fail":
            raise RuntimeError("broken")
        if body == b"large":
            return bytes(MAX_MESSAGE + 1)
        return body[:20].upper()

    async def connect(self, sock: socket.socket) -> End:
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self.requests.stream, sock=sock)
        return self


@asynccontextmanager
async def ends() -> AsyncIterator[tuple[End, End]]:
    one, other = [await End().connect(sock) for sock in socket.socketpair()]
    try:
        yield one, other
    finally:
        for end in (one, other):
            end.gate.set()
            end.requests.stream.close("over")


async def test_both_ends_ask_and_notify() -> None:
    async with ends() as (one, other):
        asked = [one.requests.ask(b"a%d" % n) for n in range(200)]
        asked += [other.requests.ask(b"b%d" % n, BULK) for n in range(200)]
        answers = await asyncio.gather(*asked)
        assert answers == [b"A%d" % n for n in range(200)] + [b"B%d" % n for n in range(200)]
        one.requests.notify(b"news")
        await until(lambda: other.notices == [b"news"])


async def test_errors_are_raised_where_it_was_asked() -> None:
    async with ends() as (one, _):
        for body, error in (
            (b"refuse", b"no"),
            (b"fail", b"RuntimeError('broken')"),
            (b"large", b"ValueError('an answer has 25165825 bytes; the limit is 25165824')"),
        ):
            with pytest.raises(RequestFailed) as failed:
                await one.requests.ask(body)
            assert failed.value.body == error
        with pytest.raises(ValueError, match="a request has"):
            await one.requests.ask(bytes(MAX_BYTES[CONTROL] + 1))
        assert await one.requests.ask(b"x") == b"X"


async def test_rows_that_are_not_answered_hold_up_no_other_request() -> None:
    async with ends() as (one, other):
        other.gate.clear()
        lanes = [BULK] * (MAX_REQUESTS[BULK] + 5) + [CONTROL] * (MAX_REQUESTS[CONTROL] + 5)
        asked = [asyncio.create_task(one.requests.ask(b"x", lane)) for lane in lanes]
        await until(lambda: len(other.served) == MAX_REQUESTS[BULK] + MAX_REQUESTS[CONTROL])
        asked += [asyncio.create_task(one.requests.ask(b"report", URGENT))]
        await until(lambda: other.served[-1] == b"report")
        assert other.losses == []
        other.gate.set()
        assert await asyncio.gather(*asked) == [b"X"] * len(lanes) + [b"REPORT"]


async def test_bytes_that_are_not_answered_are_limited() -> None:
    async with ends() as (one, other):
        other.gate.clear()
        asked = [asyncio.create_task(one.requests.ask(bytes(9 * 2**20), BULK)) for _ in range(4)]
        await until(lambda: len(other.served) == 2)
        other.gate.set()
        await asyncio.gather(*asked)
        assert len(other.served) == 4


async def test_a_peer_that_asks_too_much_is_disconnected() -> None:
    async with ends() as (one, other):
        other.gate.clear()
        for number in range(MAX_SERVED + 1):
            one.requests.stream.send(MessageKind.REQUEST, number, b"x", CONTROL)
        await until(lambda: bool(other.losses))
        assert other.losses == ["the other end has broken the protocol: too much is unanswered"]
        assert len(other.served) <= MAX_SERVED


@pytest.mark.parametrize(
    ("kind", "number", "problem"),
    [
        (MessageKind.ANSWER, 7, "an answer to request 7, which was not asked"),
        (MessageKind.ERROR, 7, "an answer to request 7, which was not asked"),
        (MessageKind.REQUEST, 1, "request 1 is repeated"),
    ],
)
async def test_numbers_are_used_once(kind: MessageKind, number: int, problem: str) -> None:
    async with ends() as (one, other):
        other.gate.clear()
        one.requests.stream.send(MessageKind.REQUEST, 1, b"x", CONTROL)
        one.requests.stream.send(kind, number, b"x", CONTROL)
        await until(lambda: bool(other.losses))
        assert problem in other.losses[0]


async def test_the_end_of_the_connection_ends_what_waits_and_not_what_is_served() -> None:
    async with ends() as (one, other):
        other.gate.clear()
        count = MAX_REQUESTS[CONTROL] + 3
        asked = [asyncio.create_task(one.requests.ask(b"x")) for _ in range(count)]
        await until(lambda: len(other.served) == MAX_REQUESTS[CONTROL])
        one.requests.stream.close("pulled")
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert [str(error) for error in found] == ["pulled"] * count
        assert all(isinstance(error, StreamLost) for error in found)
        with pytest.raises(StreamLost):
            await one.requests.ask(b"late")
        await until(lambda: bool(other.losses))
        other.gate.set()  # the answers go nowhere
        await until(lambda: not other.requests._tasks)
        assert one.losses == ["pulled"]


async def test_a_cancelled_request_frees_its_place_when_it_is_answered() -> None:
    async with ends() as (one, other):
        other.gate.clear()
        asked = [asyncio.create_task(one.requests.ask(b"x")) for _ in range(MAX_REQUESTS[CONTROL])]
        await until(lambda: len(other.served) == len(asked))
        for task in asked:
            task.cancel()
        waiting = asyncio.create_task(one.requests.ask(b"next"))
        await asyncio.gather(*asked, return_exceptions=True)
        assert not waiting.done()
        other.gate.set()
        assert await waiting == b"NEXT"


async def test_an_allowance_keeps_the_order() -> None:
    allowance = RequestAllowance(3, 100)
    await allowance.acquire(60)
    order: list[int] = []

    async def wait(number: int, size: int) -> None:
        await allowance.acquire(size)
        order.append(number)

    tasks = [asyncio.create_task(wait(n, size)) for n, size in ((1, 50), (2, 10), (3, 10))]
    await asyncio.sleep(0)
    assert order == []  # the small ones do not overtake the large one
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == [2, 3]
    for size in (60, 10, 10):
        allowance.release(size)
    await allowance.acquire(100)


async def test_an_allowance_that_was_given_to_a_cancelled_one_is_returned() -> None:
    allowance = RequestAllowance(1, 10)
    await allowance.acquire(10)
    task: asyncio.Task[Any] = asyncio.create_task(allowance.acquire(10))
    await asyncio.sleep(0)
    allowance.release(10)  # the task has its turn, and has not run yet
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await allowance.acquire(10)
