"""Requests over a packet channel: answers, notices, descriptors, and the end of either side."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from fyke.kit.requests import (
    ClientChannel,
    ClosableSession,
    KeptConnection,
    RequestDone,
    ServedChannel,
    adopt,
    serve_clients,
)
from support.browser_hosts import until

pytestmark = pytest.mark.anyio


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    seq: int
    text: str


class Told(msgspec.Struct, frozen=True, tag="told"):
    text: str


encode = msgspec.json.encode
decode_ask = msgspec.json.Decoder(Ask).decode
decode_reply = msgspec.json.Decoder(RequestDone | Told).decode


class Session:
    """Answers with the text as an error; ``hang`` is not answered; ``fail`` breaks the session."""

    def __init__(self, server: Server, sock: socket.socket) -> None:
        self._server = server
        self._channel = ServedChannel(
            sock,
            decode_ask,
            self._execute,
            lambda: server.events.append("lost"),
            lambda: server.events.append("end"),
        )

    def close(self) -> None:
        self._channel.close()

    async def _execute(self, request: Ask, descriptors: list[int]) -> None:
        self._server.asked.append(request.text)
        if request.text == "hang":
            return
        if request.text == "fail":
            raise RuntimeError("broken")
        for descriptor in descriptors:
            with adopt(descriptor) as sock:
                sock.sendall(b"adopted")
        self._channel.send(encode(Told(f"{request.text} heard")))
        self._channel.send(encode(RequestDone(request.seq, request.text)))


class Server:
    """``asked`` and ``events`` tell what happened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[str] = []
        self.events: list[str] = []
        self.sessions: set[ClosableSession] = set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        ready = asyncio.Event()
        self._task = asyncio.create_task(
            serve_clients(self.path, lambda sock: Session(self, sock), self.sessions, ready)
        )
        await ready.wait()

    async def stop(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.sessions.clear()


@asynccontextmanager
async def kept(server: Server) -> AsyncIterator[tuple[KeptConnection, list[str]]]:
    heard: list[str] = []

    async def reopen(channel: ClientChannel) -> None:
        heard.append("reopened")

    connection = KeptConnection(
        server.path,
        "test",
        decode_reply,
        lambda told: heard.append(told.text),
        reopen,
        lambda: heard.append("lost"),
    )
    connection.start()
    try:
        yield connection, heard
    finally:
        await connection.stop()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    made = Server(tmp_path / "run" / "test.sock")
    await made.start()
    yield made
    await made.stop()


async def ask(connection: KeptConnection, text: str, timeout: float = 10) -> str:
    return await connection.request(
        lambda channel: channel.request(lambda seq: encode(Ask(seq, text))), timeout
    )


async def test_requests_are_answered_in_order_and_notices_heard(server: Server) -> None:
    async with kept(server) as (connection, heard):
        answers = await asyncio.gather(*(ask(connection, str(number)) for number in range(5)))
        assert answers == server.asked == ["0", "1", "2", "3", "4"]
        assert heard == ["reopened", *(f"{number} heard" for number in range(5))]
    await until(lambda: server.events == ["lost", "end"])


async def test_a_paused_connection_is_made_when_it_is_resumed(server: Server) -> None:
    heard: list[str] = []

    async def reopen(channel: ClientChannel) -> None:
        heard.append("reopened")

    connection = KeptConnection(
        server.path, "test", decode_reply, print, reopen, lambda: heard.append("lost"), paused=True
    )
    connection.start()
    with pytest.raises(TimeoutError):
        await ask(connection, "early", 0.05)
    assert heard == []
    connection.resume()
    assert await ask(connection, "1") == "1"
    connection.pause()
    assert await ask(connection, "2") == "2"  # the present connection stays
    await server.stop()
    await until(lambda: heard == ["reopened", "lost"])
    await server.start()
    with pytest.raises(TimeoutError):
        await ask(connection, "3", 0.05)
    connection.resume()
    assert await ask(connection, "4") == "4"
    await connection.stop()


async def test_descriptors_are_sent_and_closed(server: Server) -> None:
    async with kept(server) as (connection, _):
        await ask(connection, "first")
        before = len(os.listdir("/proc/self/fd"))
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                await connection.request(
                    lambda channel: channel.request(
                        lambda seq: encode(Ask(seq, "")), [theirs.fileno()]
                    ),
                    10,
                )
            assert ours.recv(100) == b"adopted"
            assert ours.recv(100) == b""  # nobody else has a copy
        assert len(os.listdir("/proc/self/fd")) == before


async def test_a_request_is_sent_again_to_the_next_process(server: Server) -> None:
    async with kept(server) as (connection, heard):
        asking = asyncio.create_task(ask(connection, "hang"))
        await until(lambda: server.asked == ["hang"])
        await server.stop()
        await until(lambda: heard == ["reopened", "lost"])
        await server.start()
        await until(lambda: server.asked == ["hang", "hang"])
        assert heard == ["reopened", "lost", "reopened"]
        asking.cancel()


async def test_no_answer_in_time(server: Server) -> None:
    async with kept(server) as (connection, _):
        with pytest.raises(TimeoutError):
            await ask(connection, "hang", 0.05)
        assert await ask(connection, "more") == "more"


async def test_a_process_that_is_away(tmp_path: Path) -> None:
    async with kept(Server(tmp_path / "test.sock")) as (connection, heard):
        with pytest.raises(TimeoutError):
            await ask(connection, "nobody", 0.05)
        assert heard == []


@pytest.mark.parametrize("message", [b"{", b'{"type": "other"}', b"\xff"])
async def test_a_malformed_request_ends_the_session(server: Server, message: bytes) -> None:
    async with kept(server) as (connection, heard):
        await ask(connection, "first")
        assert connection.current is not None
        connection.current.send(message)
        await until(lambda: server.events == ["lost", "end"])
        assert await ask(connection, "second") == "second"  # on a new connection
        assert heard.count("reopened") == 2


async def test_a_session_that_breaks_ends(server: Server) -> None:
    async with kept(server) as (connection, _):
        await ask(connection, "first")
        assert connection.current is not None
        connection.current.send(encode(Ask(0, "fail")))
        connection.current.send(encode(Ask(0, "never")))
        await until(lambda: "end" in server.events)
        assert "never" not in server.asked


def test_only_a_socket_is_adopted() -> None:
    reading, writing = os.pipe()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="socket"):
        adopt(reading)
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(reading)
    os.close(writing)
