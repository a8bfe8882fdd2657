"""A start answers the id of its run, whatever happens to the note about the input."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import msgspec
import pytest

from fyke.mcp import run_tools
from fyke.mcp.session import McpSession
from fyke_client import Unreachable


class Server:
    """Notes the requests; the schema of its Worker comes, breaks off, or never comes."""

    def __init__(self, schema: str) -> None:
        self.schema = schema
        self.sent: list[str] = []

    async def request(self, method: str, path: str, **_: Any) -> bytes:
        self.sent.append(method)
        if method == "POST":
            return b'{"run_slug": "r"}'
        if self.schema == "breaks":
            raise Unreachable("the connection broke")
        if self.schema == "hangs":
            await asyncio.Event().wait()
        return b'{"properties": [{"name": "urls"}]}'


@pytest.mark.parametrize(
    ("schema", "noted"), [("comes", True), ("breaks", False), ("hangs", False)]
)
async def test_nothing_is_asked_after_the_start(
    schema: str, noted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_tools, "_NOTE_SECONDS", 0.01)
    server = Server(schema)
    arguments = {"worker": "owner/reader", "input": {"url": "x"}}
    answer = await run_tools.start_run(McpSession(cast(Any, server)), arguments)
    said = msgspec.json.decode(answer.parts[0])
    assert server.sent == ["GET", "POST"]
    assert (said["run"], "note" in said) == ("r", noted)
