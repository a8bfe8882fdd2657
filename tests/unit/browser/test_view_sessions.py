"""The gateway's end of a live view's connection, with whatever arrives on it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
from pathlib import Path

import pytest

from fyke.contracts.browser_view import ViewRefusal
from fyke.kit.channel import connect
from fyke.wire.browser_views import (
    Fetched,
    GiveBack,
    PictureSent,
    ViewChanged,
    ViewDone,
    ViewReply,
    ViewRequest,
    Watch,
    decode_reply,
    encode,
)
from support.browser_hosts import until
from support.browser_place import ATTEMPT
from support.browser_views import ViewedPlace, viewed_place
from support.jpegs import jpeg

pytestmark = pytest.mark.anyio


class Server:
    """A connection of a server process."""

    def __init__(self, place: ViewedPlace) -> None:
        self.sock = connect(place.views._socket_path)
        place.stack.callback(self.sock.close)

    def send(self, request: ViewRequest, descriptors: list[int] | None = None) -> None:
        socket.send_fds(self.sock, [encode(request)], descriptors or [])

    async def hear(self) -> ViewReply | None:
        """The next reply; None at the end."""
        data = await asyncio.get_running_loop().sock_recv(self.sock, 65536)
        return decode_reply(data) if data else None


async def test_a_malformed_message_ends_only_its_connection(tmp_path: Path) -> None:
    async with viewed_place(tmp_path) as place:
        good, wrong = Server(place), Server(place)
        good.send(Watch(ATTEMPT, "", ""))
        assert isinstance(await good.hear(), ViewChanged)
        wrong.sock.send(b'{"type": "watch"}')
        assert await wrong.hear() is None
        assert place.live.watchers == 1


async def test_a_connection_has_one_watcher(tmp_path: Path) -> None:
    async with viewed_place(tmp_path) as place:
        server = Server(place)
        server.send(Watch(ATTEMPT, "", ""))
        server.send(Watch(ATTEMPT, "", ""))
        while await server.hear() is not None:
            pass
        await until(lambda: not place.live._views)
        assert place.live.watchers == 0


async def test_requests_without_a_watcher_or_an_attempt_are_answered(tmp_path: Path) -> None:
    async with viewed_place(tmp_path) as place:
        server = Server(place)
        server.send(Fetched())  # nothing was sent
        read, write = os.pipe()
        server.send(GiveBack("01UNKNOWN", "H"), [write])
        assert await server.hear() == ViewDone(ViewRefusal.ELSEWHERE)
        os.close(write)
        await until(lambda: os.read(read, 1) == b"")  # the copy was closed
        os.close(read)
        server.send(GiveBack(ATTEMPT, "H"))
        assert await server.hear() == ViewDone()
        await until(lambda: not place.live._views)


async def test_a_picture_cannot_be_changed_afterwards(tmp_path: Path) -> None:
    async with viewed_place(tmp_path) as place:
        await place.open_browser()
        server = Server(place)
        server.send(Watch(ATTEMPT, "", ""))
        loop = asyncio.get_running_loop()
        descriptors: list[int] = []
        while not descriptors:
            readable = loop.create_future()
            loop.add_reader(server.sock, readable.set_result, None)
            await readable
            loop.remove_reader(server.sock)
            data, descriptors, _, _ = socket.recv_fds(server.sock, 65536, 4)
        [picture] = descriptors
        expected = jpeg("first")
        sent = decode_reply(data)
        assert isinstance(sent, PictureSent)
        assert sent == PictureSent("0.T1", sent.number, len(expected), 800, 600)
        assert os.pread(picture, 1000, 0) == expected
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
        assert fcntl.fcntl(picture, fcntl.F_GET_SEALS) & seals == seals
        os.close(picture)


async def test_a_watcher_that_goes_leaves_nothing(tmp_path: Path) -> None:
    async with viewed_place(tmp_path) as place:
        _, host = await place.open_browser()
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            server = Server(place)
            server.send(Watch(ATTEMPT, "", ""))
            assert isinstance(await server.hear(), ViewChanged)
            server.sock.close()
            await until(lambda: not place.live._views)
        await until(lambda: len(os.listdir("/proc/self/fd")) <= before + 1)
        assert not host.ended
