"""Chromium's answers: read with limits, addresses rewritten."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from fyke.browser.endpoints import BadAnswer, read_answer, rewrite
from fyke.browser.streams import ByteStream

pytestmark = pytest.mark.anyio
HOST = "chrome-ws-inner.coreclaw.com:80"


def rewritten(value: object) -> object:
    body = rewrite(json.dumps(value).encode(), HOST)
    assert body is not None
    return json.loads(body)


def test_addresses_lead_to_the_gateway() -> None:
    page = {"id": "A", "url": "about:blank", "devtoolsFrontendUrl": "https://example.com/x"}
    ours = {"id": "A", "url": "about:blank"}
    of_page = {"webSocketDebuggerUrl": "ws://127.0.0.1:3/devtools/page/A"}
    assert rewritten([page | of_page, page]) == [
        ours | {"webSocketDebuggerUrl": f"ws://{HOST}/devtools/page/A"},
        ours,
    ]
    of_browser = {"Browser": "x", "webSocketDebuggerUrl": "ws://127.0.0.1:3/devtools/browser/a-b"}
    assert rewritten(of_browser) == {
        "Browser": "x",
        "webSocketDebuggerUrl": f"ws://{HOST}/devtools/browser/a-b",
    }


@pytest.mark.parametrize(
    "url", [1, "", "ws://x/evil", "ws://a@b/devtools/page/A?x", "http://x/devtools/page/A"]
)
def test_an_address_of_another_form_is_removed(url: object) -> None:
    assert rewritten({"webSocketDebuggerUrl": url, "id": "A"}) == {"id": "A"}


def test_other_bodies_stay() -> None:
    protocol = b'{"version" : {"major": "1"}}'
    assert rewrite(protocol, HOST) == protocol
    assert rewrite(b"Target is closing", HOST) is None
    assert rewrite(b"\xff", HOST) is None
    assert rewrite(b"[" * 100_000, HOST) is None
    assert rewrite(b"[1, null]", HOST) == b"[1, null]"


async def answered(data: bytes, max_bytes: int = 1000) -> tuple[int, bytes]:
    ours, theirs = socket.socketpair()
    stream = ByteStream()
    await asyncio.get_running_loop().create_connection(lambda: stream, sock=ours)
    with theirs:
        theirs.sendall(data)
    try:
        async with asyncio.timeout(10):
            return await read_answer(stream, max_bytes)
    finally:
        stream.abort()


async def test_an_answer_is_read() -> None:
    assert await answered(b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 2\r\n\r\nabcd") == (200, b"ab")
    assert await answered(b"HTTP/1.1 404 Not Found\r\n\r\n") == (404, b"")
    upgrade = b"HTTP/1.1 101 Switching\r\nContent-Length: 99\r\n\r\n"
    assert await answered(upgrade) == (101, b"")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"hello\r\n\r\n",
        b"HTTP/1.1 999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(BadAnswer):
        await answered(data)
