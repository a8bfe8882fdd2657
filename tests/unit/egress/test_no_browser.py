"""Clients of the browser port that send no request, too much, or too many connections."""

from __future__ import annotations

import asyncio

import pytest

from fyke.egress import no_browser
from fyke.egress.no_browser import NoBrowser
from support.egress import connect, listener, port_of

pytestmark = pytest.mark.anyio


async def test_the_answer_is_the_reason() -> None:
    sock = listener()
    browser = NoBrowser(sock, lambda: None, "there is none yet")
    await browser.start()
    reader, writer = await connect(port_of(sock))
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 503 ") and answer.endswith(b"\r\n\r\nthere is none yet\n")
    writer.close()
    browser.stop(final=True)


async def test_connections_to_the_browser_port_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(no_browser, "_SECONDS", 0.1)
    monkeypatch.setattr(no_browser, "_MAX_CONNECTIONS", 2)
    asked: list[int] = []
    sock = listener()
    browser = NoBrowser(sock, lambda: asked.append(1))
    await browser.start()
    silent = [await connect(port_of(sock)) for _ in range(2)]
    reader, writer = await connect(port_of(sock))  # the third of two
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()
    for reader, writer in silent:
        assert await reader.read() == b""
        writer.close()
    reader, writer = await connect(port_of(sock))
    writer.write(b"x" * 100_000)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()
    reader, writer = await connect(port_of(sock))
    browser.stop(final=True)
    writer.close()
    assert asked == [1]
