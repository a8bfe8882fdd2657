"""The gateway in the process of a run without a server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fyke.app import browser
from fyke.app.browser import gateway_here
from fyke.browser.client import GatewayClient
from fyke.browser.limits import GatewayLimits
from fyke.settings import Settings

pytestmark = pytest.mark.anyio


async def test_the_gateway_answers_in_this_process_until_the_context_ends(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    client = GatewayClient(settings.browser_socket)
    async with gateway_here(settings):
        await client.start()
        await client.check()
        await client.stop()
    assert not settings.browser_socket.exists()


async def test_the_settings_say_how_many_browsers_may_be_launched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    served = asyncio.Event()
    given: list[GatewayLimits] = []

    async def serve_gateway(_: Path, *, limits: GatewayLimits, **others: object) -> None:
        given.append(limits)
        served.set()

    monkeypatch.setattr(browser, "serve_gateway", serve_gateway)
    async with browser.gateway_here(Settings(home=tmp_path, browser_instances=9)):
        await served.wait()
    assert [limits.instances for limits in given] == [9]


async def test_a_gateway_that_could_not_listen_is_reported(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    client = GatewayClient(settings.browser_socket)
    async with gateway_here(settings):
        await client.start()
        await client.check()  # it listens
        with pytest.raises(OSError, match="another process already serves"):
            async with gateway_here(settings):
                await client.check()
        await client.stop()
