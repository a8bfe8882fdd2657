"""The end that serves live views on a stream, by another ``contracts.BrowserViews``.

A node serves its gateway with the views of its own machine, a gateway serves a server with those of
its nodes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fyke.contracts.browser_view import (
    MAX_INPUTS,
    MAX_MACHINE_WINDOWS,
    BrowserViews,
    BrowserWatch,
    TakenBrowser,
    TakeoverEnd,
    ViewRefusal,
    ViewRefused,
    ViewUpdate,
)
from fyke.errors import InvalidRequest
from fyke.kit.stream_requests import RequestFailed
from fyke.relay.asking import MAX_TAKEN
from fyke.wire.browser_views import SendInput, ViewDone, Watch
from fyke.wire.node_views import (
    ActOnBrowser,
    AnyViewRequest,
    AwaitGivenBack,
    NextUpdate,
    OpenView,
    decode_view_request,
)
from fyke.wire.nodes import BadNodeMessage, encode, encode_error

MAX_SECONDS = 30.0  # for which one request waits

# the views of a node for one of its attempts; raises ``ViewRefused`` when it has none
FindViews = Callable[[str, str], BrowserViews]


def no_views(_node: str, _attempt_id: str) -> BrowserViews:
    """For a machine without live views."""
    raise ViewRefused(ViewRefusal.AWAY)


@dataclass(slots=True)
class _OpenView:
    """``watch`` or ``taken`` is set once it is open; ``ending`` waits for the end of ``taken``."""

    node: str
    attempt_id: str
    views: BrowserViews
    watch: BrowserWatch | None = None
    taken: TakenBrowser | None = None
    ending: asyncio.Task[TakeoverEnd] | None = None

    def close(self) -> None:
        if self.ending is not None:
            self.ending.cancel()
        for opened in (self.watch, self.taken):
            if opened is not None:
                opened.close()


class ServedViews:
    """The views of one connection. ``find`` is asked with each request, so that a view ends with
    what allowed it. ``close`` it when the connection ends.
    """

    def __init__(self, find: FindViews) -> None:
        self._find = find
        self._open: dict[int, _OpenView] = {}
        self._is_closed = False

    async def serve(self, body: bytes) -> bytes:
        """The answer to a request. Raise ``RequestFailed`` for what is none."""
        try:
            request = decode_view_request(body)
        except BadNodeMessage as error:
            wrong = InvalidRequest("The message is not one of this protocol")
            raise RequestFailed(encode_error(wrong)) from error
        return encode(await self._answer(request))

    def close(self) -> None:
        """End all views."""
        self._is_closed = True
        for number in list(self._open):
            self._drop(number)

    async def _answer(self, request: AnyViewRequest) -> Any:
        try:
            match request:
                case OpenView():
                    await self._begin(request)
                    return ViewDone()
                case ActOnBrowser():
                    await self._act(request)
                    return ViewDone()
                case NextUpdate():
                    return await self._next(request)
                case AwaitGivenBack():
                    return await self._given_back(request)
                case _:
                    return self._drop(request.number)
        except ViewRefused as refused:
            return ViewDone(refused.refusal, refused.name)

    async def _begin(self, request: OpenView) -> None:
        asked = request.request
        number = request.number
        full = len(self._open) >= MAX_MACHINE_WINDOWS + MAX_TAKEN
        if self._is_closed or full or number in self._open:
            raise ViewRefused(ViewRefusal.MACHINE_FULL)
        views = self._find(request.node, asked.attempt_id)
        view = self._open[number] = _OpenView(request.node, asked.attempt_id, views)
        try:
            if isinstance(asked, Watch):
                view.watch = await views.watch(
                    asked.attempt_id, asked.page, asked.holder, asked.user
                )
            else:
                view.taken = await views.take_over(asked.attempt_id, asked.holder, asked.name)
                view.ending = asyncio.create_task(_end_of(view.taken))
        except BaseException:
            self._drop(number)
            raise
        if self._open.get(number) is not view:  # closed meanwhile
            view.close()
            raise ViewRefused(ViewRefusal.AWAY)

    async def _act(self, request: ActOnBrowser) -> None:
        asked = request.request
        views = self._find(request.node, asked.attempt_id)
        if not isinstance(asked, SendInput):
            await views.give_back(asked.attempt_id, asked.holder, revoked=asked.revoked)
        elif len(asked.inputs) <= MAX_INPUTS:
            await views.act(asked.attempt_id, asked.holder, asked.page, asked.picture, asked.inputs)
        else:
            raise ViewRefused(ViewRefusal.AWAY)

    async def _next(self, request: NextUpdate) -> ViewUpdate | None:
        view = self._allowed(request.number)
        if view is None or view.watch is None:
            return None
        update = await view.watch.next(min(request.seconds, MAX_SECONDS))
        if update is None or self._allowed(request.number) is not view:
            self._drop(request.number)
            return None
        return update

    async def _given_back(self, request: AwaitGivenBack) -> TakeoverEnd | None:
        view = self._allowed(request.number)
        if view is None or view.ending is None:
            return TakeoverEnd.ATTEMPT_OVER
        await asyncio.wait({view.ending}, timeout=min(request.seconds, MAX_SECONDS))
        if not view.ending.done():
            return None
        self._drop(request.number)
        return TakeoverEnd.LOST if view.ending.cancelled() else view.ending.result()

    def _allowed(self, number: int) -> _OpenView | None:
        """The view of this number, which ends here if its attempt is not that of the node now."""
        view = self._open.get(number)
        if view is None:
            return None
        try:
            if self._find(view.node, view.attempt_id) is view.views:
                return view
        except ViewRefused:
            pass
        self._drop(number)
        return None

    def _drop(self, number: int) -> None:
        view = self._open.pop(number, None)
        if view is not None:
            view.close()


async def _end_of(taken: TakenBrowser) -> TakeoverEnd:
    return await taken.ended()
