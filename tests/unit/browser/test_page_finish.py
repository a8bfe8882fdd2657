"""The last page on its way from the gateway to the runner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fyke.browser.client import GatewayClient
from fyke.browser.gateway import Gateway
from fyke.browser.process import serve_gateway
from fyke.contracts.browser import BrowserProgram, GatewayGrant
from fyke.errors import FykeError, Unavailable
from support.browser_hosts import ScriptedHost, until
from support.browser_place import Chromium
from support.egress import listener, port_of
from support.pages_of_a_site import JPEG, PICTURE_COMMAND, Site

pytestmark = pytest.mark.anyio
UPGRADE = b"GET / HTTP/1.1\r\nHost: b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"


@asynccontextmanager
async def runner(tmp_path: Path) -> AsyncIterator[tuple[GatewayClient, asyncio.Task[None]]]:
    path, ready = tmp_path / "browser.sock", asyncio.Event()
    serving = asyncio.create_task(serve_gateway(path, ready=ready))
    await ready.wait()
    client = GatewayClient(path)
    await client.start()
    try:
        async with asyncio.timeout(60):
            yield client, serving
    finally:
        await client.stop()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


@asynccontextmanager
async def attempt(
    client: GatewayClient, name: str, site: Site, *, keep: bool = True
) -> AsyncIterator[None]:
    """An attempt whose client has a connection to a browser with the pages of ``site``."""
    ports = listener()
    port = port_of(ports)
    await client.open([ports], GatewayGrant(name, "s", keep=keep))
    ports.close()
    async with ScriptedHost(Chromium(serve_socket=site.serve).serve) as host:
        await client.attach(name, 1, host.theirs, BrowserProgram.CHROMIUM, own_sandbox=True)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(UPGRADE + KEY)
        assert b" 101 " in await reader.readline()
        await until(lambda: site.writers)
        yield
        writer.close()
        await client.close(name)


async def test_the_runner_gets_the_page_and_others_do_not_wait_for_it(tmp_path: Path) -> None:
    slow, quick = Site(), Site()
    slow.answers = {PICTURE_COMMAND: None}
    async with (
        runner(tmp_path) as (client, _),
        attempt(client, "A", slow),
        attempt(client, "B", quick),
    ):
        first = asyncio.create_task(client.finish("A"))
        await until(lambda: PICTURE_COMMAND in slow.log)
        page = await client.finish("B")
        assert page is not None and (page.title, page.screenshot) == ("Shop", JPEG)
        assert not first.done()
        for writer in slow.writers:
            writer.close()
        page = await first
        assert page is not None and page.html and not page.screenshot


async def test_there_is_none_if_none_is_kept_or_the_attempt_is_not_known(tmp_path: Path) -> None:
    async with runner(tmp_path) as (client, _):
        assert await client.finish("A") is None
        async with attempt(client, "A", Site(), keep=False):
            assert await client.finish("A") is None


async def test_an_error_of_the_gateway_is_not_taken_for_no_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def finish(_gateway: Gateway, _attempt_id: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Gateway, "finish", finish)
    async with runner(tmp_path) as (client, _), attempt(client, "A", Site()):
        with pytest.raises(FykeError, match="No space left"):
            await client.finish("A")


async def test_the_end_of_the_gateway_ends_the_wait(tmp_path: Path) -> None:
    site = Site()
    site.answers = {PICTURE_COMMAND: None}
    async with runner(tmp_path) as (client, serving), attempt(client, "A", site):
        waiting = asyncio.create_task(client.finish("A"))
        await until(lambda: PICTURE_COMMAND in site.log)
        serving.cancel()
        with pytest.raises(Unavailable):
            await waiting
        with pytest.raises(Unavailable):
            await client.finish("A")  # while there is none
