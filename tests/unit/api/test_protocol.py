"""How long a head may take and a connection may be idle, by a clock of the test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import Mock

import pytest
import uvicorn
from uvicorn.server import ServerState

from fyke.api.protocol import HEAD_SECONDS, LimitedProtocol

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass
class Timer:
    due: float
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Loop:
    """The clock and timers of an event loop; its tasks do not run."""

    now: float = 1000.0
    armed: list[Timer] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def call_at(self, due: float, callback: Callable[[], None]) -> Timer:
        self.armed.append(Timer(due, callback))
        return self.armed[-1]

    def create_task(self, work: Coroutine[Any, Any, None]) -> Any:
        work.close()
        return Mock()

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for timer in self.waiting():
            if timer.due <= self.now:
                self.armed.remove(timer)
                timer.callback()

    def waiting(self) -> list[Timer]:
        return [timer for timer in self.armed if not timer.cancelled]


class Transport(asyncio.Transport):
    closed = False

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


@dataclass
class Connection:
    loop: Loop
    protocol: LimitedProtocol
    transport: Transport

    def request(self) -> None:
        """Send a request, and have it answered."""
        self.protocol.data_received(REQUEST)
        self.protocol.cycle.response_complete = True

    def answered(self) -> None:
        """The same, and tell the protocol."""
        self.request()
        self.protocol.on_response_complete()


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Never called."""


def connected() -> Connection:
    config = uvicorn.Config(_app, http=LimitedProtocol, lifespan="off", log_config=None)
    config.load()
    loop, transport = Loop(), Transport()
    protocol = LimitedProtocol(config, ServerState(), {}, loop)  # type: ignore[arg-type]
    protocol.connection_made(transport)
    return Connection(loop, protocol, transport)


def test_a_connection_without_a_request_is_closed() -> None:
    connection = connected()
    connection.loop.advance(HEAD_SECONDS - 1)
    assert not connection.transport.closed
    connection.loop.advance(1)
    assert connection.transport.closed


def test_a_head_that_does_not_end_is_closed() -> None:
    connection = connected()
    for _ in range(3):
        connection.loop.advance(HEAD_SECONDS - 1)
        assert not connection.transport.closed
        connection.request()
    connection.protocol.data_received(REQUEST[:30])
    for _ in range(5):
        connection.loop.advance(HEAD_SECONDS / 5 - 0.1)
        assert not connection.transport.closed
    connection.loop.advance(0.5)
    assert connection.transport.closed


def test_a_connection_between_requests_is_not_closed_as_a_head() -> None:
    connection = connected()
    connection.request()
    connection.loop.advance(3 * HEAD_SECONDS)
    assert not connection.transport.closed
    assert not connection.loop.waiting()


def test_many_requests_have_one_timer() -> None:
    connection = connected()
    for _ in range(100):
        connection.request()
    assert len(connection.loop.armed) == 1


def test_a_lost_connection_has_no_timer() -> None:
    connection = connected()
    connection.answered()
    connection.protocol.connection_lost(None)
    assert not connection.loop.waiting()


def test_an_idle_connection_is_closed() -> None:
    """After its first answer, and after one that follows before the time is over."""
    for seconds in ([], [4], [4, 4], [4.9, 0.1, 3]):
        connection = connected()
        connection.answered()
        for pause in seconds:
            connection.loop.advance(pause)
            connection.answered()
        connection.loop.advance(4.9)
        assert not connection.transport.closed
        connection.loop.advance(0.2)
        assert connection.transport.closed


def test_a_connection_is_not_idle_during_a_request() -> None:
    connection = connected()
    connection.answered()
    connection.loop.advance(3)
    connection.request()
    connection.loop.advance(100)
    assert not connection.transport.closed
    connection.protocol.on_response_complete()
    connection.loop.advance(4.9)
    assert not connection.transport.closed
    connection.loop.advance(0.2)
    assert connection.transport.closed


@pytest.mark.parametrize("stray", [b"\r\n", b"U"])
def test_bytes_that_begin_no_request_leave_a_connection_idle(stray: bytes) -> None:
    connection = connected()
    connection.answered()
    connection.protocol.data_received(stray)
    connection.loop.advance(5.1)
    assert connection.transport.closed


def test_a_head_that_began_before_the_last_answer_is_not_idle() -> None:
    connection = connected()
    connection.request()
    first = connection.protocol.cycle
    connection.protocol.data_received(REQUEST[:10])
    first.response_complete = True
    connection.protocol.on_response_complete()
    connection.protocol.data_received(REQUEST[10:])
    connection.loop.advance(100)
    assert not connection.transport.closed


def test_a_pipelined_request_ends_no_wait() -> None:
    """The next answer is made at once, and the connection is idle after it."""
    connection = connected()
    connection.protocol.data_received(REQUEST * 2)
    first = connection.protocol.pipeline[0][0]
    connection.protocol.on_response_complete()
    assert not connection.protocol.pipeline
    connection.loop.advance(100)
    assert not connection.transport.closed
    first.response_complete = True
    connection.protocol.on_response_complete()
    connection.loop.advance(5.1)
    assert connection.transport.closed


def test_idle_times_have_one_timer() -> None:
    connection = connected()
    for _ in range(100):
        connection.answered()
    assert len(connection.loop.armed) == 2  # one is that of heads
    assert connection.protocol.server_state.total_requests == 100
