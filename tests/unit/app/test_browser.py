"""The gateway in the process of a run without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from fyke.app.browser import gateway_here
from fyke.browser.client import GatewayClient
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
