"""The end that asks for live views: implements ``contracts.BrowserViews`` over a stream.

The other end may be hostile: it cannot send a picture without a request, and what it answers is
limited here, in bytes, pixels and pictures a second.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import TypeVar

from fyke.contracts.browser_view import (
    MAX_MACHINE_WINDOWS,
    MAX_PICTURE,
    PICTURE_LIMIT,
    BrowserInput,
    TakeoverEnd,
    ViewRefusal,
    ViewRefused,
    ViewUpdate,
)
from fyke.kit.jpeg import BadJpeg
from fyke.kit.stream_frames import SendLane
from fyke.kit.stream_requests import RequestFailed, StreamLost, StreamRequests
from fyke.wire.browser_views import GiveBack, SendInput, TakeOver, ViewDone, Watch
from fyke.wire.node_views import (
    MAX_STATE,
    ActOnBrowser,
    AwaitGivenBack,
    CloseView,
    NextUpdate,
    OpenView,
)
from fyke.wire.nodes import BadNodeMessage, NodeRequest, decode_answer, encode

MAX_TAKEN = 16  # browsers of one connection that are taken over
PICTURE_SECONDS = 0.2  # at least from one picture to the request for the next; a browser sends four
STATE_SECONDS = 0.05  # after an answer without a picture
LOOK_SECONDS = 5.0  # between two questions whether a browser was given back

A = TypeVar("A")


class ViewStream:
    """One connection on which views are asked for. An answer may take ``late_seconds`` longer than
    it was asked to wait.
    """

    def __init__(self, requests: StreamRequests, late_seconds: float) -> None:
        self._requests = requests
        self._late_seconds = late_seconds
        self._numbers = itertools.count(1)
        self._open: dict[int, type[Watch | TakeOver]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def ask(self, request: NodeRequest[A], seconds: float = 0.0) -> A:
        """The answer to a request, which may wait for so long. Raise ``ViewRefused``."""
        try:
            async with asyncio.timeout(seconds + self._late_seconds):
                body = await self._requests.ask(encode(request), SendLane.VIEWS)
            answer = decode_answer(request, body)
            _check(answer, len(body))
        except (TimeoutError, StreamLost, RequestFailed, BadNodeMessage, BadJpeg):
            raise ViewRefused(ViewRefusal.AWAY) from None
        if isinstance(answer, ViewDone) and answer.refusal is not None:
            raise ViewRefused(answer.refusal, answer.name)
        return answer

    async def open(self, request: Watch | TakeOver, node: str) -> int:
        """Begin a view and return its number; ``end`` it. Raise ``ViewRefused``."""
        kind = type(request)
        most = MAX_MACHINE_WINDOWS if kind is Watch else MAX_TAKEN
        if sum(one is kind for one in self._open.values()) >= most:
            raise ViewRefused(ViewRefusal.MACHINE_FULL)
        number = next(self._numbers)
        self._open[number] = kind
        try:
            await self.ask(OpenView(number, request, node))
        except BaseException:  # it may be opened late
            self.end(number)
            raise
        return number

    def end(self, number: int) -> None:
        """End a view, if it has not ended."""
        if self._open.pop(number, None) is not None:
            task = asyncio.create_task(self._close(number))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _close(self, number: int) -> None:
        with suppress(ViewRefused):  # it ends with the connection
            await self.ask(CloseView(number))


def _check(answer: object, size: int) -> None:
    """Raise ``BadNodeMessage`` or ``BadJpeg`` for an answer that is too large, and for what is no
    picture of a browser.
    """
    picture = answer.picture if isinstance(answer, ViewUpdate) else None
    if picture is not None:
        if len(picture.jpeg) > MAX_PICTURE:
            raise BadNodeMessage("a picture is too large")
        PICTURE_LIMIT.check(picture.jpeg)
        size -= len(picture.jpeg)
    if size > MAX_STATE:
        raise BadNodeMessage("an answer about a live view is too large")


class RemoteViews:
    """``connect`` gives the connection to the other end, or raises ``ViewRefused``; ``node`` is the
    machine of the browsers.
    """

    def __init__(self, connect: Callable[[], Awaitable[ViewStream]], node: str) -> None:
        self._connect = connect
        self._node = node

    def node(self) -> str:
        return self._node

    async def watch(
        self, attempt_id: str, page: str = "", holder: str = "", user: str = ""
    ) -> RemoteWatch:
        stream = await self._connect()
        request = Watch(attempt_id, page, holder, user)
        return RemoteWatch(stream, await stream.open(request, self._node))

    async def take_over(self, attempt_id: str, holder: str, name: str) -> RemoteTaken:
        stream = await self._connect()
        request = TakeOver(attempt_id, holder, name)
        return RemoteTaken(stream, await stream.open(request, self._node))

    async def act(
        self,
        attempt_id: str,
        holder: str,
        page: str,
        picture: int,
        inputs: Sequence[BrowserInput],
    ) -> None:
        request = SendInput(attempt_id, holder, page, picture, list(inputs))
        await (await self._connect()).ask(ActOnBrowser(request, self._node))

    async def give_back(self, attempt_id: str, holder: str, *, revoked: bool = False) -> None:
        request = GiveBack(attempt_id, holder, revoked)
        await (await self._connect()).ask(ActOnBrowser(request, self._node))


class RemoteWatch:
    """A ``BrowserWatch``."""

    def __init__(self, stream: ViewStream, number: int) -> None:
        self._stream = stream
        self._number = number
        self._is_over = False
        self._next_at = 0.0

    async def next(self, seconds: float) -> ViewUpdate | None:
        if self._is_over:
            return None
        await asyncio.sleep(self._next_at - monotonic())
        try:
            update = await self._stream.ask(NextUpdate(self._number, seconds), seconds)
        except ViewRefused:
            update = None
        if update is None:
            self.close()
            return None
        is_picture = update.picture is not None
        self._next_at = monotonic() + (PICTURE_SECONDS if is_picture else STATE_SECONDS)
        return update

    def close(self) -> None:
        self._is_over = True
        self._stream.end(self._number)


class RemoteTaken:
    """A ``TakenBrowser``."""

    def __init__(self, stream: ViewStream, number: int) -> None:
        self._stream = stream
        self._number = number
        self._how: asyncio.Future[TakeoverEnd] = asyncio.get_running_loop().create_future()
        self._waiting = asyncio.create_task(self._wait())

    async def ended(self) -> TakeoverEnd:
        return await asyncio.shield(self._how)

    def close(self) -> None:
        self._waiting.cancel()
        self._end(TakeoverEnd.SERVER_GONE)

    async def _wait(self) -> None:
        how: TakeoverEnd | None = None
        try:
            while how is None:
                how = await self._stream.ask(
                    AwaitGivenBack(self._number, LOOK_SECONDS), LOOK_SECONDS
                )
        except ViewRefused:
            how = TakeoverEnd.LOST
        self._end(how)

    def _end(self, how: TakeoverEnd) -> None:
        if not self._how.done():
            self._how.set_result(how)
        self._stream.end(self._number)
