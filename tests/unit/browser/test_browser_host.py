"""What comes out of a browser sandbox is not trusted."""

from __future__ import annotations

import asyncio
import socket

import pytest

from fyke.browser.messages import Noted
from support.browser_hosts import GUID, until
from support.browser_place import (
    UPGRADE,
    Chromium,
    place,
)

pytestmark = pytest.mark.anyio


async def test_a_port_that_nobody_listens_on_is_an_error() -> None:
    async with place() as gateway:
        host = await gateway.attached(Chromium())
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            host.port = bound.getsockname()[1]
            status, _, body = await gateway.get("/", UPGRADE)
        assert status == 503
        assert b"refused" in body


@pytest.mark.parametrize(
    "fields",
    [
        {"port": 0, "path": GUID},
        {"port": True, "path": GUID},
        {"port": 70_000, "path": GUID},
        {"port": 5, "path": "/devtools/browser/a\r\nX: y"},
        {"port": 5, "path": None},
        {},
    ],
)
async def test_an_address_of_another_form_is_not_used(fields: dict[str, object]) -> None:
    async with place() as gateway:
        host = await gateway.attached(Chromium())

        def answer(frame: dict[str, object]) -> bool:
            host.event(type="started", id=frame["id"], **fields)
            return False

        host.before = answer
        status, _, body = await gateway.get("/json")
        assert (status, body) == (503, b"the browser failed: Chromium has no address\n")


@pytest.mark.parametrize(
    "answer",
    [b"", b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"],
)
async def test_an_answer_that_is_none_is_an_error(answer: bytes) -> None:
    async with place() as gateway:

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            writer.close()

        chromium = Chromium()
        chromium.serve = serve  # type: ignore[method-assign]
        await gateway.attached(chromium)
        status, _, body = await gateway.get("/json")
        assert status == 503
        assert body.startswith(b"the browser failed: Chromium")


async def test_dropped_arguments_are_noted_once_and_a_proxy_for_each_browser() -> None:
    async with place() as gateway:
        host = await gateway.attached(Chromium(bodies={"/json": b"[]"}))
        client = await gateway.websocket()
        names = ["proxy-server", "x=<script>", 5, "single-process", "-" * 50]
        host.event(type="dropped", instance=0, arguments=names)
        host.event(type="dropped", instance=0, arguments="more")
        host.event(type="dropped", instance=0, arguments=["single-process"])
        host.event(type="dropped", instance=0, arguments=["single-process", "proxy-server"])
        for number in range(200):
            host.event(type="dropped", instance=0, arguments=[f"x{number}"])
        await client.say({"id": 1, "method": "Browser.getVersion"})
        await client.hear()
        await until(lambda: len(gateway.notices) == 102)
        notes = [item.text for item in gateway.notices if isinstance(item, Noted)]
        assert notes[0].endswith(": proxy-server, single-process")
        assert notes[1].endswith(": proxy-server")
        assert notes[2].endswith(": x0")
