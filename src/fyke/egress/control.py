"""The egress process's end of a runner's connection.

A connection owns the attempts that were opened over it. When it ends, the runner has ended, and all
connections of its attempts are cut.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable

from fyke.contracts.egress import EgressGrant
from fyke.egress.messages import (
    AddListener,
    AttemptRequest,
    BrowserRequested,
    ChangePolicy,
    CheckProxies,
    CloseAttempt,
    ConnectionRefused,
    DivideSites,
    OpenAttempt,
    ProxiesChecked,
    ProxyChecked,
    RefuseBrowser,
    RemoveListener,
    Reply,
    Request,
    SitesPaused,
    SitesUsed,
    TrafficLimitReached,
    decode_request,
    encode,
    read_policy,
)
from fyke.egress.meter import map_shared
from fyke.egress.proxy import Counters, Proxy
from fyke.egress.site_counters import map_sites
from fyke.kit.requests import RequestDone, ServedChannel, adopt


class ControlSession:
    """One runner. Requests are executed one after the other, in order of arrival."""

    def __init__(
        self, sock: socket.socket, proxy: Proxy, on_end: Callable[[ControlSession], None]
    ) -> None:
        self._proxy = proxy
        self._attempts: set[str] = set()
        self._channel = ServedChannel(
            sock, decode_request, self._execute, self._close_attempts, lambda: self._end(on_end)
        )

    def close(self) -> None:
        """End the connection and all its attempts."""
        self._channel.close()

    def _end(self, on_end: Callable[[ControlSession], None]) -> None:
        self._close_attempts()  # one may have been opened after the connection was lost
        if self._proxy.on_pause == self._report_pause:
            self._proxy.on_pause = None
        on_end(self)

    def _close_attempts(self) -> None:
        for attempt_id in self._attempts:
            self._proxy.close(attempt_id, final=False)
        self._attempts.clear()

    async def _execute(self, request: Request, descriptors: list[int]) -> None:
        if isinstance(request, CheckProxies):
            self._reply(ProxiesChecked(request.seq, self._check_results()))
            return
        error = ""
        try:
            await self._action(request, descriptors)
        except (ValueError, OSError) as caught:
            error = str(caught) or type(caught).__name__
        self._reply(RequestDone(request.seq, error))

    def _check_results(self) -> tuple[ProxyChecked, ...]:
        return tuple(
            ProxyChecked(state.region, state.proxy, state.why, round(state.seconds, 1))
            for state in self._proxy.proxies
        )

    def _action(self, request: AttemptRequest, descriptors: list[int]) -> Awaitable[None]:
        if isinstance(request, ChangePolicy):
            return self._change_policy(descriptors)
        if isinstance(request, OpenAttempt):
            return self._open(request, descriptors)
        if isinstance(request, RefuseBrowser):
            return self._refuse_browser(request, descriptors)
        if isinstance(request, AddListener):
            return self._add_listener(request, descriptors)
        if isinstance(request, RemoveListener):
            return self._remove_listener(request)
        if isinstance(request, DivideSites):
            return self._share_sites(request)
        return self._close_attempt(request)

    async def _change_policy(self, descriptors: list[int]) -> None:
        if len(descriptors) != 1:
            raise ValueError("changing the policy needs the policy")
        self._proxy.change(read_policy(descriptors[0]))

    async def _share_sites(self, request: DivideSites) -> None:
        self._proxy.on_pause = self._report_pause
        self._reply(SitesUsed(self._proxy.share_sites(request.shares)))

    def _report_pause(self) -> None:
        self._reply(SitesPaused())

    async def _open(self, request: OpenAttempt, descriptors: list[int]) -> None:
        end = len(descriptors) - request.browser
        if end < 2:
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
        listeners = [adopt(descriptor) for descriptor in descriptors[1:end]]
        try:
            await self._proxy.open(
                listeners,
                grant,
                lambda: self._reply(TrafficLimitReached(grant.attempt_id)),
                counters,
                lambda why: self._reply(ConnectionRefused(grant.attempt_id, why)),
                descriptors[end] if request.browser else None,
            )
        except BaseException:
            for listener in listeners:
                listener.close()
            raise
        self._attempts.add(grant.attempt_id)

    async def _refuse_browser(self, request: RefuseBrowser, descriptors: list[int]) -> None:
        if len(descriptors) != 1 or request.attempt_id not in self._attempts:
            raise ValueError("refusing the browser needs one listener and an open attempt")
        listener = adopt(descriptors[0])
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
        listener = adopt(descriptors[0])
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
