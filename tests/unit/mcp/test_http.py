"""The endpoint of many users: calls end with their request, and caps belong to requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from fyke.mcp import http
from fyke.mcp.call import AgentCall
from fyke.mcp.http import McpEndpoint

CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "get_account_info", "arguments": {}},
}


class Api:
    """A REST API that does not answer."""

    def __init__(self) -> None:
        self.called, self.cancelled = asyncio.Event(), asyncio.Event()

    async def __call__(self, *_: Any) -> None:
        self.called.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


@pytest.fixture
async def api() -> Api:
    return Api()


@pytest.fixture
async def endpoint(api: Api) -> AsyncIterator[McpEndpoint]:
    endpoint = McpEndpoint(api)
    yield endpoint
    await endpoint.close()


def serve(endpoint: McpEndpoint, sent: list[Any]) -> asyncio.Task[None]:
    messages = [{"type": "http.request", "body": json.dumps(CALL).encode(), "more_body": False}]

    async def receive() -> Any:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [
        (b"host", b"fyke"),
        (b"content-type", b"application/json"),
        (b"accept", b"application/json, text/event-stream"),
    ]
    scope = {"type": "http", "method": "POST", "path": "/mcp", "query_string": b""}
    scope |= {"headers": headers, "scheme": "http", "server": ("fyke", 80), "http_version": "1.1"}
    return asyncio.create_task(
        endpoint.serve(
            scope, receive, send, AgentCall("http://fyke", "127.0.0.1", "secret", "k"), None
        )
    )


async def test_a_cancelled_call_ends_its_request_to_the_api(
    endpoint: McpEndpoint, api: Api
) -> None:
    serving = serve(endpoint, [])
    async with asyncio.timeout(10):
        await api.called.wait()
        serving.cancel()
        await api.cancelled.wait()
        with pytest.raises(asyncio.CancelledError):
            await serving


async def test_the_endpoint_starts_anew_after_it_has_failed(
    endpoint: McpEndpoint, api: Api
) -> None:
    await endpoint._start()
    first = endpoint._running
    assert first is not None
    first.cancel()
    await asyncio.wait([first])
    async with asyncio.timeout(10):
        await endpoint._start()
        assert endpoint._running is not first
        serving = serve(endpoint, [])
        await api.called.wait()
        serving.cancel()


async def test_what_a_key_has_started_is_kept_while_a_request_uses_it(
    endpoint: McpEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "REMEMBERED_KEYS", 1)
    with endpoint._spending_of("one", Decimal(1)) as first:
        for name in ("two", "three"):
            with endpoint._spending_of(name, Decimal(1)):
                pass
        with endpoint._spending_of("one", Decimal(5)) as again:
            assert again is first
    assert len(endpoint._spending) == 1
