"""Texts without secrets: in parts that one request can have, and in their order."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from fyke.mcp import hidden
from fyke.mcp.session import McpSession


class Server:
    """Hides the letter s."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []

    async def request(self, method: str, path: str, *, body: Any, **_: Any) -> bytes:
        self.bodies.append(body)
        return msgspec.json.encode({"texts": [text.replace("s", "*") for text in body["texts"]]})


async def test_texts_come_back_in_their_order_and_empty_ones_are_not_sent() -> None:
    server = Server()
    session = McpSession(cast(Any, server))
    assert await hidden.hide(session, "r", ["", ""]) == ["", ""]
    assert server.bodies == []
    texts = [("r", "is"), ("r", ""), ("q", "as")]
    assert await hidden.hide_in_all(session, texts) == ["i*", "", "a*"]
    assert server.bodies == [{"runs": ["r", "q"], "texts": ["is", "as"]}]


async def test_many_texts_are_sent_in_parts() -> None:
    server = Server()
    texts = [(f"run{n // 2}", "s" * 40_000) for n in range(5)]
    texts += [(f"run{n}", "s") for n in range(150)]
    texts += [("run", "s")] * 1500
    found = await hidden.hide_in_all(McpSession(cast(Any, server)), texts)
    assert found == ["*" * len(text) for _, text in texts]
    for body in server.bodies:
        assert len(body["texts"]) <= hidden.PART_TEXTS
        assert len(set(body["runs"])) <= hidden.MAX_RUNS
        assert sum(map(len, body["texts"])) <= hidden.PART_CHARS
