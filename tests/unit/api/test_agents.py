"""``/mcp``: the limits of its bodies and calls, and the end of a call whose client has gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fyke.api import agents
from fyke.api.errors import Refusal
from fyke.api.presence import CLOSING
from fyke.api.transport import VISIT


class Place:
    """The endpoint with a server that answers when ``open`` is set."""

    def __init__(self) -> None:
        self.charged: list[int] = []
        self.served = self.cancelled = 0
        self.body = b""
        self.open = asyncio.Event()
        self.busy = asyncio.Event()
        access = cast(Any, self)
        self.endpoint = agents._AgentEndpoint(access, access)

    async def require(self, *_: Any) -> Any:
        return SimpleNamespace(key_id="k", account_id="a")

    def charge(self, scope: Any, size: int) -> None:
        self.charged.append(size)

    async def serve(self, scope: Any, receive: Any, send: Any, call: Any) -> None:
        self.served += 1
        self.body = (await receive())["body"]
        self.busy.set()
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def call(
        self, *parts: bytes, gone: asyncio.Event | None = None, closing: Any = None, **headers: str
    ) -> None:
        messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
        messages.append({"type": "http.request", "body": b"", "more_body": False})

        async def receive() -> Any:
            if not messages:
                await (gone or asyncio.Event()).wait()
                return {"type": "http.disconnect"}
            return messages.pop(0)

        sent = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
        scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/mcp"}
        scope |= {
            "headers": sent,
            VISIT: SimpleNamespace(address="", origin="http://fyke"),
            CLOSING: closing,
        }
        await self.endpoint(scope, receive, cast(Any, None))


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    yield Place()


async def test_a_body_without_a_length_is_charged(place: Place) -> None:
    place.open.set()
    await place.call(b"ab", b"cd")
    await place.call(b"abc", content_length="3")
    assert (place.charged, place.body) == ([4, 3], b"abc")


async def test_a_large_or_compressed_body_is_refused(place: Place) -> None:
    with pytest.raises(Refusal) as refused:
        await place.call(*[b"x" * 2**20] * 11)
    assert refused.value.status == 413
    with pytest.raises(Refusal):
        await place.call(b"x", content_encoding="gzip")
    assert place.served == 0


@pytest.mark.parametrize("body", [b"[]", b" \n[1,2]"])
async def test_a_list_of_messages_is_refused(place: Place, body: bytes) -> None:
    with pytest.raises(Refusal, match="one message of JSON-RPC") as refused:
        await place.call(body)
    assert (refused.value.status, place.served) == (400, 0)


@pytest.mark.parametrize("reason", ["gone", "closing"])
async def test_a_call_ends_with_its_client_and_its_server(place: Place, reason: str) -> None:
    event = asyncio.Event()
    call = asyncio.create_task(place.call(b"{}", **cast(Any, {reason: event})))
    await place.busy.wait()
    event.set()
    async with asyncio.timeout(5):
        with pytest.raises(Refusal, match="ended"):
            await call
    assert place.cancelled == 1


async def test_a_key_has_a_bounded_number_of_calls(place: Place) -> None:
    calls = [asyncio.create_task(place.call(b"{}")) for _ in range(agents.MAX_CALLS)]
    async with asyncio.timeout(5):
        while place.served < agents.MAX_CALLS:
            await asyncio.sleep(0)
    with pytest.raises(Refusal) as refused:
        await place.call(b"{}")
    assert refused.value.status == 429
    place.open.set()
    await asyncio.gather(*calls)
    await place.call(b"{}")
