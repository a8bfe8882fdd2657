"""The gateway's end of the connections for live views, which server processes make."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
from collections.abc import Callable

import msgspec

from fyke.browser.gateway import Gateway
from fyke.browser.live_view import AttemptView, Watcher
from fyke.contracts.browser_view import (
    MAX_MACHINE_WATCHERS,
    MAX_MACHINE_WINDOWS,
    Picture,
    TakeoverEnd,
    ViewRefusal,
    ViewRefused,
    ViewState,
)
from fyke.kit.channel import Channel
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
    decode_request,
    encode,
)

_log = logging.getLogger(__name__)

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


class LiveViews:
    """The live views of all attempts of this process, by id."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._views: dict[str, AttemptView] = {}

    @property
    def watchers(self) -> int:
        """How many connections watch."""
        return sum(len(view.watchers) for view in self._views.values())

    def watch(self, view: AttemptView, watcher: Watcher) -> None:
        """Raise ``ViewRefused`` when there are too many watchers."""
        viewers = sum(len(one.viewers) for one in self._views.values())
        comes = not watcher.holder and watcher.user not in view.viewers
        if self.watchers >= MAX_MACHINE_WINDOWS or (comes and viewers >= MAX_MACHINE_WATCHERS):
            raise ViewRefused(ViewRefusal.MACHINE_FULL)
        view.watch(watcher)

    def of(self, attempt_id: str) -> AttemptView:
        """The view of an attempt. Raise ``ViewRefused`` when it is not served here."""
        attempt = self._gateway.find(attempt_id)
        if attempt is None:
            raise ViewRefused(ViewRefusal.ELSEWHERE)
        view = self._views.get(attempt_id)
        if view is None:
            view = self._views[attempt_id] = AttemptView(
                attempt,
                lambda: self._gateway.find(attempt_id) is attempt,
                lambda: self._forget(attempt_id),
            )
        return view

    def stop(self) -> None:
        for view in list(self._views.values()):
            view.close()

    def _forget(self, attempt_id: str) -> None:
        del self._views[attempt_id]


class ViewSession:
    """One connection of a server process."""

    def __init__(
        self, sock: socket.socket, views: LiveViews, on_end: Callable[[ViewSession], None]
    ) -> None:
        self._views = views
        self._on_end = on_end
        self._view: AttemptView | None = None
        self._watcher: Watcher | None = None
        self._taken = ""  # the holder for whom this connection has taken over
        self._channel = Channel(sock, self._received, self._lost)

    def close(self) -> None:
        """End the connection, and the watcher with it."""
        self._channel.close()

    def _received(self, message: bytes, descriptors: list[int]) -> None:
        close_all(descriptors)  # none belongs to a request
        try:
            request = decode_request(message)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            _log.error("a server sent a malformed message: %.200s", error)
            self._channel.close()
            return
        try:
            self._execute(request)
        except ViewRefused as refused:
            self._send(ViewDone(refused.refusal, refused.name))

    def _execute(self, request: ViewRequest) -> None:
        if isinstance(request, Fetched):
            if self._watcher is not None:
                self._watcher.fetched()
            return
        view = self._views.of(request.attempt_id)
        if isinstance(request, Watch):
            self._watch(view, request)
            return
        if isinstance(request, TakeOver):
            view.take_over(request.holder, request.name, self._was_given_back)
            self._view, self._taken = view, request.holder
        elif isinstance(request, SendInput):
            view.act(request.holder, request.page, request.picture, request.inputs)
        elif isinstance(request, GiveBack):
            how = TakeoverEnd.REVOKED if request.revoked else TakeoverEnd.BY_USER
            view.give_back(request.holder, how)
        self._send(ViewDone())

    def _watch(self, view: AttemptView, request: Watch) -> None:
        if self._watcher is not None:
            self._channel.close()
            return
        watcher = Watcher(
            request.page,
            request.holder,
            self._send_state,
            self._send_picture,
            self.close,
            user=request.user,
        )
        self._views.watch(view, watcher)
        self._view, self._watcher = view, watcher

    def _was_given_back(self, how: TakeoverEnd) -> None:
        self._taken = ""
        self._send(WasGivenBack(how))

    def _lost(self) -> None:
        if self._view is not None and self._watcher is not None:
            self._view.leave(self._watcher)
            self._watcher = None
        if self._view is not None and self._taken:
            self._view.give_back(self._taken, TakeoverEnd.SERVER_GONE)
        self._on_end(self)

    def _send(self, reply: ViewReply) -> None:
        self._channel.send(encode(reply))

    def _send_state(self, state: ViewState) -> None:
        self._send(ViewChanged(state))

    def _send_picture(self, picture: Picture) -> None:
        message = PictureSent(
            picture.page, picture.number, len(picture.jpeg), picture.width, picture.height
        )
        try:
            descriptor = os.memfd_create("picture", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        except OSError as error:
            _log.error("a picture of a browser cannot be sent: %s", error)
            self.close()
            return
        try:
            os.write(descriptor, picture.jpeg)  # memory takes it whole
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
            self._channel.send(encode(message), [descriptor])
        finally:
            os.close(descriptor)
