"""The end of Chromium or of its sandbox, and what the next connection gets."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import pytest

from fyke.browser.attached import AttachedBrowser
from fyke.browser.attempt import AttemptGateway
from fyke.browser.messages import Ended, Notice, Started, Wanted
from fyke.contracts.browser import BrowserEndCause, BrowserForm
from support.browser_hosts import until
from support.browser_place import (
    ATTEMPT,
    UPGRADE,
    WANTED,
    Chromium,
    echo,
    place,
    read_message,
)
from support.devtools import Devtools

pytestmark = pytest.mark.anyio


async def test_a_browser_that_nobody_waits_for_any_more_ends() -> None:
    async with place() as gateway:
        client = await gateway.connect()
        await client.ask("GET", "/", UPGRADE)
        await until(lambda: gateway.notices == [WANTED])
        client.writer.close()
        await until(lambda: not gateway.gateway._attempts[ATTEMPT]._waiting)
        host = await gateway.host(Chromium())
        gateway.attach(host)
        await until(lambda: host.ended)
        assert gateway.notices[1:] == [Ended(ATTEMPT, 1, BrowserEndCause.CLOSED, "")]


async def test_a_chromium_that_does_not_start_is_told_to_all() -> None:
    async with place() as gateway:
        host = await gateway.attached(Chromium())
        held: list[dict[str, object]] = []
        host.before = lambda frame: bool(held.append(frame))
        waiting = [asyncio.create_task(gateway.get("/", UPGRADE)) for _ in range(3)]
        await until(lambda: held)
        host.event(type="failed", id=held[0]["id"], error="the program ended\nwith status 1")
        for status, _, body in await asyncio.gather(*waiting):
            assert (status, body) == (
                503,
                b"the browser failed: the program ended with status 1\n",
            )
        cause, detail = BrowserEndCause.NOT_STARTED, "the program ended with status 1"
        await until(lambda: gateway.notices[1:] == [Ended(ATTEMPT, 1, cause, detail)])


@pytest.mark.parametrize(
    ("event", "cause", "detail"),
    [
        ({"type": "ended", "instance": 0, "status": -5}, BrowserEndCause.CRASHED,
         "signal 5 (SIGTRAP)"),
        ({"type": "ended", "instance": 0, "status": -99}, BrowserEndCause.CRASHED, "signal 99"),
        ({"type": "ended", "instance": 0, "status": 7}, BrowserEndCause.CRASHED, "status 7"),
        ({"type": "ended", "instance": 0, "status": None}, BrowserEndCause.CRASHED, ""),
        ({"type": "ended", "instance": 0, "status": 0}, BrowserEndCause.CLOSED, ""),
    ],
)  # fmt: skip
async def test_the_end_of_chromium_ends_the_sandbox(
    event: dict[str, object], cause: BrowserEndCause, detail: str
) -> None:
    async with place() as gateway:
        ends = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await ends.wait()

        host = await gateway.attached(Chromium(serve_socket=serve))
        client = await gateway.websocket()
        host.event(**event)
        ends.set()
        assert await client.reader.read() == b""
        await until(lambda: host.ended)
        assert gateway.notices[2:] == [Ended(ATTEMPT, 1, cause, detail)]
        await gateway.attached(Chromium())
        await gateway.websocket()
        assert gateway.notices[3:] == [WANTED, Started(ATTEMPT, 2)]


async def test_the_end_of_the_sandbox_ends_its_connections() -> None:
    async with place() as gateway:
        host = await gateway.attached(Chromium())
        client = await gateway.websocket()
        host.end()
        await until(lambda: len(gateway.notices) == 3)
        ended = gateway.notices[2]
        assert isinstance(ended, Ended)
        assert (ended.generation, ended.cause) == (1, BrowserEndCause.SANDBOX_ENDED)
        assert await client.reader.read() == b""


async def test_a_connection_after_browser_close_gets_another_chromium() -> None:
    async with place() as gateway:
        stop = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_message(reader)
            await stop.wait()

        chromium = Chromium(serve_socket=serve)
        host = await gateway.attached(chromium)
        client = await gateway.websocket()
        await client.say({"id": 1, "method": "Browser.close"})
        await until(lambda: gateway.gateway._attempts[ATTEMPT].browser._closing)  # type: ignore[union-attr]
        connecting = asyncio.create_task(gateway.websocket())
        for _ in range(20):
            await asyncio.sleep(0)
        assert host.kinds() == ["start"]
        host.event(type="ended", instance=0, status=0)
        stop.set()
        chromium.serve_socket = echo
        second = await connecting
        await second.say({"id": 2})
        assert await second.hear() == {"id": 2}
        assert host.kinds() == ["start", "start"]
        assert gateway.notices == [WANTED, Started(ATTEMPT, 1)]


async def test_a_connection_to_a_sandbox_that_ends_now_waits_for_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It ends after a connection got it, and before the connection's task runs again."""
    found = AttemptGateway.sandbox

    async def sandbox(self: AttemptGateway, form: BrowserForm) -> AttachedBrowser:
        browser = await found(self, form)
        if browser.generation == 1:
            asyncio.get_running_loop().call_soon(browser._lost, "a crash")
        return browser

    monkeypatch.setattr(AttemptGateway, "sandbox", sandbox)
    async with place() as gateway:
        hosts = [await gateway.host(Chromium(bodies={"/json": b"[]"})) for _ in range(2)]

        def on_notice(notice: Notice) -> None:
            if isinstance(notice, Wanted):
                gateway.attach(hosts[gateway.generation])

        gateway.on_notice = on_notice
        status, _, body = await gateway.get("/json")
        assert (status, body) == (200, b"[]")
        assert [host.kinds() for host in hosts] == [[], ["start"]]


async def test_a_chromium_that_does_not_close_is_stopped() -> None:
    async with place(close_seconds=0.05) as gateway:
        host = await gateway.attached(Chromium())
        client = await gateway.websocket()
        await client.say({"id": 1, "method": "Browser.close"})
        await until(lambda: "stop" in host.kinds())
        client.writer.close()
        await until(lambda: host.ended)
        assert gateway.notices[2:] == [Ended(ATTEMPT, 1, BrowserEndCause.CLOSED, "")]


async def test_a_connection_to_a_dying_chromium_is_made_to_the_next_one() -> None:
    async with place() as gateway:
        host = await gateway.attached(Chromium(bodies={"/json": b"[]"}))
        await gateway.get("/json")

        attached = gateway.gateway._attempts[ATTEMPT].browser
        assert attached is not None
        dial = attached.host.dial

        async def dial_dying(port: int, timeout: float) -> socket.socket:
            host.refuse()
            host.event(type="ended", instance=0, status=-9)
            return await dial(port, timeout)

        attached.host.dial = dial_dying  # type: ignore[method-assign]
        next_host = await gateway.attached(Chromium())
        client = await gateway.websocket()
        await client.say({"id": 1})
        assert await client.hear() == {"id": 1}
        assert next_host.kinds() == ["start"]


async def test_a_closed_browser_leaves_its_sandbox_for_the_next_connection() -> None:
    """Many Workers open and close a browser for each page."""
    async with place(keep_seconds=0.2) as gateway:
        host = await gateway.attached(Chromium(bodies={"/json": b"[]"}))
        for _ in range(3):
            assert (await gateway.get("/json"))[0] == 200
            host.event(type="ended", instance=0, status=0)
        await until(lambda: host.ended)
        assert host.kinds().count("start") == 3
        assert gateway.notices == [
            WANTED,
            Started(ATTEMPT, 1),
            Ended(ATTEMPT, 1, BrowserEndCause.CLOSED, ""),
        ]


async def test_a_failed_report_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    async with place() as gateway:
        host = await gateway.attached(Chromium())
        client = await gateway.websocket()
        attached = gateway.gateway._attempts[ATTEMPT].browser
        assert attached is not None

        def fail() -> None:
            raise ValueError("too large")

        monkeypatch.setattr(attached.recorder, "flush", fail)
        with pytest.raises(ValueError, match="too large"):
            attached._lost("a crash")
        assert await client.reader.read() == b""
        await until(lambda: host.ended)
        assert gateway.notices[2:] == [Ended(ATTEMPT, 1, BrowserEndCause.SANDBOX_ENDED, "a crash")]


async def test_the_gateway_s_own_session_ends_with_the_sandbox() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            await Devtools(writer).serve(reader)

    async with place() as gateway:
        host = await gateway.attached(Chromium(serve_socket=answer))
        await gateway.websocket()
        browser = gateway.gateway._attempts[ATTEMPT].browser
        assert browser is not None
        async with browser.session(browser.host.endpoints[0], lambda *_: None) as session:
            assert bytes(await session.ask("Browser.getVersion", {})) == b"{}"
            host.end()
            await session.ended
        assert browser.is_over
