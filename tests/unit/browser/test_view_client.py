"""What the server makes of a process that serves browsers and is away, or hijacked."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fyke.browser import view_client
from fyke.browser.view_client import ViewClient
from fyke.contracts.browser_view import MAX_PICTURE, ViewRefusal, ViewRefused, ViewState
from fyke.kit.channel import listen
from fyke.wire.browser_views import (
    Fetched,
    PictureSent,
    ViewChanged,
    Watch,
    decode_request,
    encode,
)
from support.browser_views import next_picture
from support.jpegs import jpeg

pytestmark = pytest.mark.anyio

STATE = encode(ViewChanged(ViewState(shown="0.T1")))
Say = Callable[..., None]


@asynccontextmanager
async def hijacked(folder: Path) -> AsyncIterator[tuple[ViewClient, asyncio.Queue[socket.socket]]]:
    """A client, and the server's ends of its connections."""
    path = folder / "view.sock"
    ends: asyncio.Queue[socket.socket] = asyncio.Queue()
    with listen(path) as sock:

        async def accept() -> None:
            while True:
                end, _ = await asyncio.get_running_loop().sock_accept(sock)
                end.setblocking(False)
                ends.put_nowait(end)

        accepting = asyncio.create_task(accept())
        try:
            async with asyncio.timeout(60):
                yield ViewClient(path, folder / "node"), ends
        finally:
            accepting.cancel()
            while not ends.empty():
                ends.get_nowait().close()


def memory_file(data: bytes) -> int:
    descriptor = os.memfd_create("test")
    os.write(descriptor, data)
    return descriptor


async def test_a_process_that_is_away_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = ViewClient(tmp_path / "none.sock", tmp_path / "node")
    for asked in (client.watch("A"), client.give_back("A", "H")):
        with pytest.raises(ViewRefused) as refused:
            await asked
        assert refused.value.refusal is ViewRefusal.AWAY
    assert client.node() == ""
    (tmp_path / "node").write_text("here\n")
    assert client.node() == "here"


async def test_a_process_that_does_not_answer_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_client, "_ANSWER_SECONDS", 0.01)
    async with hijacked(tmp_path) as (client, ends):
        with pytest.raises(ViewRefused) as refused:
            await client.watch("A")
        assert refused.value.refusal is ViewRefusal.AWAY
        end = await ends.get()
        assert decode_request(end.recv(1000)) == Watch("A", "", "")
        assert end.recv(1000) == b""  # the client has gone
        end.close()


async def test_a_process_that_ends_ends_the_watch(tmp_path: Path) -> None:
    async with hijacked(tmp_path) as (client, ends):
        watching = asyncio.create_task(client.watch("A"))
        end = await ends.get()
        end.send(STATE)
        watch = await watching
        end.close()
        update = await watch.next(60)
        assert update is not None and update.state == ViewState(shown="0.T1")
        assert await watch.next(60) is None
        watch.close()


@pytest.mark.parametrize(
    ("size", "make"),
    [
        (4, lambda: [memory_file(b"<svg")]),
        (1000, lambda: [memory_file(jpeg(""))]),  # shorter than it says
        (len(jpeg("")), lambda: [memory_file(jpeg("", 1281))]),
        (MAX_PICTURE + 1, lambda: [memory_file(jpeg("x" * MAX_PICTURE))]),
        (-1, lambda: [memory_file(jpeg(""))]),
        (4, list),
        (4, lambda: [memory_file(jpeg("")), memory_file(jpeg(""))]),
        (4, lambda: [os.pipe()[0]]),  # reading it would block
    ],
)
async def test_what_is_no_picture_is_passed_over(
    tmp_path: Path, size: int, make: Callable[[], list[int]]
) -> None:
    async with hijacked(tmp_path) as (client, ends):
        watching = asyncio.create_task(client.watch("A"))
        end = await ends.get()
        end.send(STATE)
        watch = await watching
        descriptors = make()
        message = encode(PictureSent("0.T1", 1, size, 800, 600))
        if descriptors:
            socket.send_fds(end, [message], descriptors)
        else:
            end.send(message)
        good = memory_file(jpeg("good"))
        sent = PictureSent("0.T1", 1, len(jpeg("good")), 800, 600)
        socket.send_fds(end, [encode(sent)], [good])
        assert (await next_picture(watch)).jpeg == jpeg("good")
        loop = asyncio.get_running_loop()
        assert decode_request(await loop.sock_recv(end, 1000)) == Watch("A", "", "")
        assert decode_request(await loop.sock_recv(end, 1000)) == Fetched()
        for descriptor in [*descriptors, good]:
            os.close(descriptor)
        watch.close()
        end.close()


async def test_a_malformed_message_ends_the_connection(tmp_path: Path) -> None:
    async with hijacked(tmp_path) as (client, ends):
        watching = asyncio.create_task(client.watch("A"))
        end = await ends.get()
        end.send(b'{"type": "changed", "state": 7}')
        with pytest.raises(ViewRefused):
            await watching
        end.close()
