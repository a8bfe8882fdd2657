"""The egress process's end of a runner's connection.

A connection owns the attempts that were opened over it. When it ends, the runner has ended, and all
connections of its attempts are cut.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable

import msgspec

from fyke.contracts.egress import EgressGrant
from fyke.egress.messages import (
    AddListener,
    AttemptRequest,
    BrowserRequested,
    CheckProxies,
    CloseAttempt,
    OpenAttempt,
    ProxiesChecked,
    ProxyChecked,
    RefuseBrowser,
    RemoveListener,
    Reply,
    Request,
    RequestDone,
    SiteThrottled,
    TrafficLimitReached,
    decode_request,
    encode,
)
from fyke.egress.meter import map_shared
from fyke.egress.proxy import Counters, Proxy
from fyke.egress.site_counters import map_sites
from fyke.kit.channel import Channel

_log = logging.getLogger(__name__)


class ControlSession:
    """One runner. Requests are executed one after the other, in order of arrival."""

    def __init__(
        self, sock: socket.socket, proxy: Proxy, on_end: Callable[[ControlSession], None]
    ) -> None:
        self._proxy = proxy
        self._on_end = on_end
        self._attempts: set[str] = set()
        self._requests: asyncio.Queue[tuple[Request, list[int]] | None] = asyncio.Queue()
        self._channel = Channel(sock, self._received, self._lost)
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def close(self) -> None:
        """End the connection and all its attempts."""
        self._channel.close()

    def _received(self, message: bytes, descriptors: list[int]) -> None:
        try:
            request = decode_request(message)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            _log.error("a runner sent a malformed message: %.200s", error)
            _close_all(descriptors)
            self._channel.close()
            return
        self._requests.put_nowait((request, descriptors))

    def _lost(self) -> None:
        self._close_attempts()
        self._requests.put_nowait(None)

    def _close_attempts(self) -> None:
        for attempt_id in self._attempts:
            self._proxy.close(attempt_id, final=False)
        self._attempts.clear()

    async def _serve(self) -> None:
        try:
            while (item := await self._requests.get()) is not None:
                await self._execute(*item)
        finally:
            while not self._requests.empty():
                item = self._requests.get_nowait()
                if item is not None:
                    _close_all(item[1])
            self._close_attempts()
            self._channel.close()  # after an error here too, since the queue is no longer read
            self._on_end(self)

    async def _execute(self, request: Request, descriptors: list[int]) -> None:
        if isinstance(request, CheckProxies):
            _close_all(descriptors)
            self._reply(ProxiesChecked(request.seq, self._check_results()))
            return
        error = ""
        try:
            await self._action(request, descriptors)
        except (ValueError, OSError) as caught:
            error = str(caught) or type(caught).__name__
        finally:
            _close_all(descriptors)  # the proxy uses duplicates
        self._reply(RequestDone(request.seq, error))

    def _check_results(self) -> tuple[ProxyChecked, ...]:
        return tuple(
            ProxyChecked(state.region, state.proxy, state.why, round(state.seconds, 1))
            for state in self._proxy.proxies
        )

    def _action(self, request: AttemptRequest, descriptors: list[int]) -> Awaitable[None]:
        if isinstance(request, OpenAttempt):
            return self._open(request, descriptors)
        if isinstance(request, RefuseBrowser):
            return self._refuse_browser(request, descriptors)
        if isinstance(request, AddListener):
            return self._add_listener(request, descriptors)
        if isinstance(request, RemoveListener):
            return self._remove_listener(request)
        return self._close_attempt(request)

    async def _open(self, request: OpenAttempt, descriptors: list[int]) -> None:
        if len(descriptors) < 2:
            raise ValueError("opening an attempt needs its counters and at least one listener")
        grant = EgressGrant(
            request.attempt_id,
            request.secret,
            request.region,
            request.allow,
            request.limit_bytes,
            request.domains,
            request.session,
            request.guarded,
            request.passwordless,
        )
        counters = Counters(map_shared(descriptors[0]), map_sites(descriptors[0]))
        listeners = [_adopt(descriptor) for descriptor in descriptors[1:]]
        try:
            await self._proxy.open(
                listeners,
                grant,
                lambda: self._reply(TrafficLimitReached(grant.attempt_id)),
                counters,
                lambda why: self._reply(SiteThrottled(grant.attempt_id, why)),
            )
        except BaseException:
            for listener in listeners:
                listener.close()
            raise
        self._attempts.add(grant.attempt_id)

    async def _refuse_browser(self, request: RefuseBrowser, descriptors: list[int]) -> None:
        if len(descriptors) != 1 or request.attempt_id not in self._attempts:
            raise ValueError("refusing the browser needs one listener and an open attempt")
        listener = _adopt(descriptors[0])
        notice = BrowserRequested(request.attempt_id)
        try:
            await self._proxy.refuse_browser(
                request.attempt_id, listener, lambda: self._reply(notice)
            )
        except BaseException:
            listener.close()
            raise

    async def _add_listener(self, request: AddListener, descriptors: list[int]) -> None:
        if len(descriptors) != 1 or request.attempt_id not in self._attempts:
            raise ValueError("adding a listener needs one listener and an open attempt")
        listener = _adopt(descriptors[0])
        try:
            await self._proxy.add_listener(
                request.attempt_id, listener, passwordless=request.passwordless
            )
        except BaseException:
            listener.close()
            raise

    async def _remove_listener(self, request: RemoveListener) -> None:
        if request.attempt_id in self._attempts:
            self._proxy.remove_listener(request.attempt_id, request.key)

    async def _close_attempt(self, request: CloseAttempt) -> None:
        if request.attempt_id in self._attempts:
            self._attempts.discard(request.attempt_id)
            self._proxy.close(request.attempt_id, final=True)

    def _reply(self, reply: Reply) -> None:
        self._channel.send(encode(reply))


def _adopt(descriptor: int) -> socket.socket:
    """Return a socket with a duplicate of a descriptor. Raise ``OSError`` if it is not a socket."""
    duplicate = os.dup(descriptor)
    try:
        return socket.socket(fileno=duplicate)
    except BaseException:
        os.close(duplicate)
        raise


def _close_all(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
