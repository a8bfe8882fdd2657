"""What the runner hears of a gateway that opens late, and one that is started when it is needed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from fyke.browser import client as module
from fyke.browser.client import GatewayAttempt, GatewayClient
from fyke.browser.control import RunnerSession
from fyke.browser.gateway import Gateway
from fyke.browser.process import serve_gateway
from fyke.contracts.browser import BrowserEndCause, BrowserEnded, BrowserNote, GatewayGrant
from fyke.kit.requests import ClosableSession, serve_clients
from support.browser_hosts import until

pytestmark = pytest.mark.anyio


class Connection:
    """A process that answers the first request with ``error`` once it ``may_answer``."""

    current = None

    def __init__(self, error: str | OSError) -> None:
        self.error = error
        self.may_answer = asyncio.Event()

    async def request(self, send: Callable[[Any], Any], timeout: float | None) -> str:
        await self.may_answer.wait()
        if isinstance(self.error, OSError):
            raise self.error
        return self.error


@pytest.mark.parametrize(
    ("error", "said"), [("no listener", ["no listener"]), (OSError("full"), ["full"]), ("", [])]
)
async def test_an_error_of_a_late_opening_is_noted_in_the_run(
    error: str | OSError, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_OPEN_SECONDS", 0.0)
    client, connection = GatewayClient(tmp_path / "socket"), Connection(error)
    client._connection = cast(Any, connection)
    notes: list[BrowserNote] = []
    client.on_note = notes.append
    await client.open([], GatewayGrant("A", "secret"))
    assert [note.code for note in notes] == ["gateway_away"]
    connection.may_answer.set()
    opening = client._attempts["A"].opening
    assert opening is not None
    await asyncio.wait({opening})
    await asyncio.sleep(0)
    assert [note.text for note in notes[1:]] == [
        f"The Worker gets no browser: {one}" for one in said
    ]


@pytest.mark.parametrize(
    ("wanted", "attached", "attaching", "heard"),
    [
        (False, 0, False, []),
        (True, 0, False, [0]),  # a connection waits
        (False, 2, True, [0]),  # it waits for one that is being attached
        (False, 2, False, [2]),
    ],
)
async def test_the_end_of_the_gateway_ends_browsers_and_waiting_connections(
    wanted: bool, attached: int, attaching: bool, heard: list[int], tmp_path: Path
) -> None:
    client = GatewayClient(tmp_path / "socket")
    ended: list[BrowserEnded] = []
    client.on_ended = ended.append
    client._attempts["A"] = GatewayAttempt(
        GatewayGrant("A", "secret"), [], wanted=wanted, attached=attached, attaching=attaching
    )
    client._lost()
    assert [(one.attempt_id, one.generation) for one in ended] == [("A", one) for one in heard]
    assert all(one.cause is BrowserEndCause.GATEWAY_ENDED for one in ended)


# --- a process that is started when it is needed


class Needed:
    """A client whose process listens from ``serve`` on, the attempts that it was given, and what
    the client has said of its need.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "run" / "browser.sock"
        self.said: list[bool] = []
        self.client = GatewayClient(self.path, need=self.said.append)
        self.gateway = Gateway()
        self.serving: asyncio.Task[None] | None = None

    def serve(self) -> None:
        sessions: set[ClosableSession] = set()
        self.serving = asyncio.create_task(
            serve_clients(
                self.path,
                lambda sock: RunnerSession(sock, self.gateway, sessions.discard),
                sessions,
            )
        )

    async def end(self) -> None:
        """End the process."""
        if self.serving is not None:
            self.serving.cancel()
            await asyncio.gather(self.serving, return_exceptions=True)
        self.gateway.stop()

    async def until_opened(self, *attempts: str) -> None:
        await until(lambda: all(self.gateway.find(attempt) for attempt in attempts))


@pytest.fixture
async def needed(tmp_path: Path) -> AsyncIterator[Needed]:
    made = Needed(tmp_path)
    await made.client.start()
    yield made
    await made.client.stop()
    await made.end()


async def answer_of(port: socket.socket) -> bytes:
    reader, writer = await asyncio.open_connection(*port.getsockname())
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    try:
        return await reader.readline()
    finally:
        writer.close()


def port() -> socket.socket:
    made = socket.create_server(("127.0.0.1", 0))
    made.setblocking(False)
    return made


async def test_no_process_is_needed_until_something_connects(needed: Needed) -> None:
    with port() as first, port() as second:
        await needed.client.open([first], GatewayGrant("A", "secret"))
        await needed.client.open([second], GatewayGrant("B", "secret"))
        assert needed.said == []
        answering = asyncio.create_task(answer_of(first))
        await until(lambda: needed.said == [True])
        needed.serve()
        assert await answering == b"HTTP/1.1 404 Not Found\r\n"
        await needed.until_opened("A", "B")


async def test_a_process_is_needed_at_once_for_a_worker_that_uses_a_browser(
    needed: Needed,
) -> None:
    with port() as listener:
        await needed.client.open([listener], GatewayGrant("A", "secret", expected=True))
        assert needed.said == [True]
        needed.serve()
        await needed.until_opened("A")


async def test_an_attempt_that_never_used_its_ports_needs_no_process_to_end(
    needed: Needed,
) -> None:
    with port() as listener:
        await needed.client.open([listener], GatewayGrant("A", "secret"))
        assert await needed.client.finish("A") is None
        await needed.client.close("A")
        with pytest.raises(ConnectionRefusedError):
            await answer_of(listener)
    assert needed.said == []


async def test_a_process_that_ends_without_attempts_is_started_again_for_the_next(
    needed: Needed,
) -> None:
    with port() as first, port() as second:
        await needed.client.open([first], GatewayGrant("A", "secret", expected=True))
        needed.serve()
        await needed.until_opened("A")
        await needed.client.close("A")
        assert needed.said[-1] is False
        await needed.end()
        await until(lambda: needed.client._connection.current is None)
        del needed.said[:]
        await needed.client.open([second], GatewayGrant("B", "secret"))
        assert needed.said == []
        answering = asyncio.create_task(answer_of(second))
        await until(lambda: needed.said == [True])
        needed.serve()
        assert await answering == b"HTTP/1.1 404 Not Found\r\n"


async def test_a_process_that_ends_with_attempts_is_still_needed(needed: Needed) -> None:
    with port() as listener:
        await needed.client.open([listener], GatewayGrant("A", "secret", expected=True))
        needed.serve()
        await needed.until_opened("A")
        await needed.end()
        await until(lambda: needed.client._connection.current is None)
        assert needed.said[-1] is True
        needed.serve()
        await needed.until_opened("A")
        assert await answer_of(listener) == b"HTTP/1.1 404 Not Found\r\n"


async def test_a_run_is_told_of_a_process_that_does_not_come(
    needed: Needed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_START_SECONDS", 0.0)
    notes: list[BrowserNote] = []
    needed.client.on_note = notes.append
    with port() as listener:
        await needed.client.open([listener], GatewayGrant("A", "secret", expected=True))
        await until(lambda: bool(notes))
        assert [note.code for note in notes] == ["gateway_away"]


# --- the process itself


async def test_the_process_ends_when_it_had_no_attempt_for_a_while(tmp_path: Path) -> None:
    path, ready = tmp_path / "run" / "browser.sock", asyncio.Event()
    serving = asyncio.create_task(serve_gateway(path, ready=ready, idle_seconds=0.2))
    await ready.wait()
    client = GatewayClient(path)
    await client.start()
    with port() as listener:
        await client.open([listener], GatewayGrant("A", "secret"))
        done, _ = await asyncio.wait({serving}, timeout=0.5)
        assert not done
        await client.close("A")
        await serving
    await client.stop()
    assert not path.exists()
