"""The server's end of live views: implements ``contracts.BrowserViews`` across processes.

Each watcher and each request has a connection of its own to the process that serves browsers, so
any server process of the machine can serve any request. What that process sends is limited here
too: it reads what hijacked browsers write.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from fyke.contracts.browser_view import (
    MAX_PICTURE,
    PICTURE_LIMIT,
    BrowserInput,
    BrowserWatch,
    Picture,
    TakenBrowser,
    TakeoverEnd,
    ViewRefusal,
    ViewRefused,
    ViewState,
    ViewUpdate,
)
from fyke.kit.channel import Channel, PeerRefused, connect
from fyke.kit.jpeg import BadJpeg
from fyke.kit.requests import close_all
from fyke.wire.browser_views import (
    Fetched,
    GiveBack,
    PictureSent,
    SendInput,
    TakeOver,
    ViewChanged,
    ViewDone,
    ViewReply,
    ViewRequest,
    WasGivenBack,
    Watch,
    decode_reply,
    encode,
)

_ANSWER_SECONDS = 3.0


class ViewClient:
    """``socket_path`` is that of the process that serves browsers; ``node_file`` has the name of
    this machine.
    """

    def __init__(self, socket_path: Path, node_file: Path) -> None:
        self._socket_path = socket_path
        self._node_file = node_file

    def node(self) -> str:
        try:
            return self._node_file.read_text().strip()
        except OSError:
            return ""

    async def watch(
        self, attempt_id: str, page: str = "", holder: str = "", user: str = ""
    ) -> BrowserWatch:
        return await self._connected(Watch(attempt_id, page, holder, user))

    async def take_over(self, attempt_id: str, holder: str, name: str) -> TakenBrowser:
        return await self._connected(TakeOver(attempt_id, holder, name))

    async def act(
        self,
        attempt_id: str,
        holder: str,
        page: str,
        picture: int,
        inputs: Sequence[BrowserInput],
    ) -> None:
        await self._ask(SendInput(attempt_id, holder, page, picture, list(inputs)))

    async def give_back(self, attempt_id: str, holder: str, *, revoked: bool = False) -> None:
        await self._ask(GiveBack(attempt_id, holder, revoked))

    async def _ask(self, request: ViewRequest) -> None:
        (await self._connected(request)).close()

    async def _connected(self, request: ViewRequest) -> ViewConnection:
        """A connection whose request was answered."""
        connection = ViewConnection(self._socket_path)
        try:
            connection.send(request)
            await connection.first_reply()
        except BaseException:
            connection.close()
            raise
        return connection


class ViewConnection:
    """One connection. Raise ``ViewRefused`` when it cannot be made."""

    def __init__(self, path: Path) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._answered: asyncio.Future[None] = self._loop.create_future()
        self._state: ViewState | None = None
        self._picture: Picture | None = None
        self._fetched = False  # a picture was passed on that is not acknowledged
        self._over = False
        self._given_back: asyncio.Future[TakeoverEnd] = self._loop.create_future()
        try:
            sock = connect(path)
        except (OSError, PeerRefused):
            raise ViewRefused(ViewRefusal.AWAY) from None
        self._channel = Channel(sock, self._received, self._lost)

    def send(self, request: ViewRequest) -> None:
        self._channel.send(encode(request))

    async def first_reply(self) -> None:
        """Wait for the answer, or the first state of a watcher. Raise ``ViewRefused``."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._answered
        except TimeoutError:
            raise ViewRefused(ViewRefusal.AWAY) from None

    async def next(self, seconds: float) -> ViewUpdate | None:
        if self._fetched:
            self._fetched = False
            self.send(Fetched())
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        self._arrived.clear()
        update = ViewUpdate(self._state, self._picture)
        self._fetched = self._picture is not None
        self._state = self._picture = None
        if self._over:
            self._arrived.set()
            return update if update.state or update.picture else None
        return update

    async def ended(self) -> TakeoverEnd:
        return await asyncio.shield(self._given_back)

    def close(self) -> None:
        self._end(TakeoverEnd.SERVER_GONE)
        self._channel.close()

    def _received(self, message: bytes, descriptors: list[int]) -> None:
        try:
            self._read(decode_reply(message), descriptors)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._channel.close()
        finally:
            close_all(descriptors)

    def _read(self, reply: ViewReply, descriptors: list[int]) -> None:
        if isinstance(reply, ViewDone) and reply.refusal is not None:
            self._answer(ViewRefused(reply.refusal, reply.name))
            return
        self._answer(None)
        if isinstance(reply, ViewChanged):
            self._state = reply.state
            self._arrived.set()
        elif isinstance(reply, WasGivenBack):
            self._end(reply.how)
        elif isinstance(reply, PictureSent):
            jpeg = _picture_in(descriptors, reply.size)
            if jpeg is None:
                self.send(Fetched())
                return
            self._picture = Picture(reply.page, reply.number, jpeg, reply.width, reply.height)
            self._arrived.set()

    def _answer(self, refused: ViewRefused | None) -> None:
        if not self._answered.done():
            if refused is None:
                self._answered.set_result(None)
            else:
                self._answered.set_exception(refused)
                self._answered.exception()  # the wait for it may have ended

    def _end(self, how: TakeoverEnd) -> None:
        if not self._given_back.done():
            self._given_back.set_result(how)

    def _lost(self) -> None:
        self._over = True
        self._end(TakeoverEnd.LOST)
        self._answer(ViewRefused(ViewRefusal.AWAY))
        self._arrived.set()


def _picture_in(descriptors: Sequence[int], size: int) -> bytes | None:
    """The picture in the only descriptor, a memory file; None if it is not one."""
    if len(descriptors) != 1 or not 0 < size <= MAX_PICTURE:
        return None
    if not stat.S_ISREG(os.fstat(descriptors[0]).st_mode):
        return None
    jpeg = os.pread(descriptors[0], size, 0)
    try:
        PICTURE_LIMIT.check(jpeg)
    except BadJpeg:
        return None
    return jpeg if len(jpeg) == size else None
