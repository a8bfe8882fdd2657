"""The runner's end of the egress process: implements ``contracts.Egress`` across processes.

The egress process may end at any moment. The client keeps a copy of each attempt's listeners, and
the counters are in shared memory, so that the next process continues with the same sockets, totals
and limit. Connections that arrive meanwhile wait in the listener.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from fyke.contracts.egress import CHECK_SECONDS, EgressGrant, Traffic
from fyke.egress import meter
from fyke.egress import site_counters as sites
from fyke.egress.actions import Credentials
from fyke.egress.attempt_proxy import listener_key
from fyke.egress.messages import (
    AddListener,
    ChangePolicy,
    CloseAttempt,
    ConnectionRefused,
    Notice,
    OpenAttempt,
    ProxiesChecked,
    RefuseBrowser,
    RemoveListener,
    SitesPaused,
    SitesUsed,
    TrafficLimitReached,
    decode_reply,
    encode,
    encode_shares,
    write_policy,
)
from fyke.errors import Unavailable
from fyke.kit.addresses import AddressRules
from fyke.kit.domains import Domains
from fyke.kit.requests import UNAWAITED, ClientChannel, KeptConnection
from fyke.model.attempt import SiteTraffic
from fyke.model.node import EgressPolicy
from fyke.model.sites import SiteShares, SiteUse

_log = logging.getLogger(__name__)

_CLOSE_SECONDS = 5.0
_SHARE_SECONDS = 1.0


def _ignore_trip(attempt_id: str) -> None:
    """Do nothing when an attempt reaches its limit."""


def _ignore_refused(attempt_id: str, reason: str) -> None:
    """Do nothing when a site is throttled."""


@dataclass(slots=True)
class _Attempt:
    """The data to open an attempt again."""

    grant: EgressGrant
    counters: int  # descriptor of the shared memory
    cells: memoryview
    listeners: list[socket.socket]
    browser: int | None = None  # a descriptor
    browsers: list[socket.socket] = field(default_factory=list)
    browser_callbacks: list[Callable[[], None]] = field(default_factory=list)
    added: dict[int, tuple[socket.socket, bool]] = field(default_factory=dict)  # and passwordless
    opened: bool = False
    trip_reported: bool = False

    def shut(self) -> None:
        """Shut the listening sockets down in every process and close our copies."""
        added = (listener for listener, _ in self.added.values())
        for listener in (*self.listeners, *self.browsers, *added):
            _shut(listener)
        self.close_descriptors()

    def close_descriptors(self) -> None:
        for descriptor in (self.counters, self.browser):
            if descriptor is not None:
                os.close(descriptor)


def _shut(listener: socket.socket) -> None:
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()


class EgressClient:
    """``start`` it once, ``stop`` it at the end. ``timeout`` is how many seconds ``open`` waits for
    a process that does not answer.
    """

    def __init__(
        self,
        socket_path: Path,
        on_trip: Callable[[str], None] = _ignore_trip,
        *,
        timeout: float = 15.0,
    ) -> None:
        self.on_trip = on_trip
        self.on_refused: Callable[[str, str], None] = _ignore_refused
        self.on_pause: Callable[[], None] = lambda: None  # a site is paused: see ``share_sites``
        self._timeout = timeout
        self._attempts: dict[str, _Attempt] = {}
        self._policy: EgressPolicy | None = None  # None: the one that the process has started with
        self._shares: SiteShares | None = None  # None: no other machine uses sites
        self._use = SiteUse()
        self._site_counters = sites.SharedSiteCounters()
        self._connection = KeptConnection(
            socket_path, "egress", decode_reply, self._notified, self._reopen
        )

    async def start(self) -> None:
        """Start to connect, and reconnect whenever the connection is lost."""
        self._connection.start()

    async def stop(self) -> None:
        """Disconnect; the process then closes all our attempts."""
        await self._connection.stop()
        for attempt in self._attempts.values():
            attempt.shut()
        self._attempts.clear()

    async def change(self, policy: EgressPolicy) -> None:
        """Use another policy for attempts that are opened from now on; a process that starts later
        gets it as well. Raise ``ValueError`` for a malformed one, after which the earlier one is
        used, and ``Unavailable``, after which this one is used as soon as the process answers.
        """
        earlier, self._policy = self._policy, policy
        try:
            await self._request_until_answered(lambda channel: self._send_policy(channel, policy))
        except ValueError:
            self._policy = earlier
            raise

    async def share_sites(self, shares: SiteShares) -> SiteUse:
        """Share sites with other machines; return which are used here. A process that starts later
        gets the shares before its attempts. From now on ``on_pause`` is called, soon after a pause
        began. Raise ``Unavailable``, and ``ValueError`` if the process refuses them.
        """
        self._shares = shares
        await self._request_until_answered(self._send_shares, _SHARE_SECONDS)
        return self._use

    # the contract

    async def check(self) -> None:
        # closing an attempt that does not exist changes nothing
        await self._request_until_answered(
            lambda channel: channel.request(lambda seq: encode(CloseAttempt(seq, ""))),
            CHECK_SECONDS,
        )

    async def open(
        self,
        listeners: Sequence[socket.socket],
        grant: EgressGrant,
        browser: int | None = None,
    ) -> None:
        if grant.attempt_id in self._attempts:
            raise ValueError(f"attempt {grant.attempt_id} already has egress")
        Credentials(grant.attempt_id, grant.secret)
        AddressRules(grant.allow)
        Domains(grant.domains or ())
        counters = meter.make_shared(sites.SHARED_SIZE)
        attempt = _Attempt(
            grant,
            counters,
            meter.map_shared(counters),
            [listener.dup() for listener in listeners],
            None if browser is None else os.dup(browser),
        )
        self._attempts[grant.attempt_id] = attempt
        self._site_counters.add(grant.attempt_id, sites.map_sites(counters))
        try:
            await self._request_until_answered(lambda channel: self._send_open(channel, attempt))
        except BaseException:
            del self._attempts[grant.attempt_id]
            self._site_counters.drop(grant.attempt_id)
            self._send_unawaited(CloseAttempt(UNAWAITED, grant.attempt_id))
            for copy in attempt.listeners:  # not shut down: the caller still uses them
                copy.close()
            attempt.close_descriptors()
            raise
        attempt.opened = True

    async def refuse_browser(
        self, attempt_id: str, listener: socket.socket, on_connection: Callable[[], None]
    ) -> None:
        attempt = self._attempts.get(attempt_id)
        if attempt is None:
            raise ValueError(f"attempt {attempt_id} has no egress")
        browser = listener.dup()
        try:
            attempt.browser_callbacks.append(on_connection)
            await self._request_until_answered(
                lambda channel: self._send_browser(channel, attempt_id, browser)
            )
        except BaseException:
            browser.close()
            raise
        attempt.browsers.append(browser)

    async def add_listener(
        self, attempt_id: str, listener: socket.socket, *, passwordless: bool
    ) -> int:
        attempt = self._attempts.get(attempt_id)
        if attempt is None:
            raise ValueError(f"attempt {attempt_id} has no egress")
        copy = listener.dup()
        key = listener_key(copy)
        try:
            await self._request_until_answered(
                lambda channel: self._send_added(channel, attempt_id, copy, passwordless)
            )
            if self._attempts.get(attempt_id) is not attempt:
                raise ValueError(f"attempt {attempt_id} was closed meanwhile")
        except BaseException:
            # it may be served nevertheless: later, or by a new attempt with the same id
            self._send_unawaited(RemoveListener(UNAWAITED, attempt_id, key))
            copy.close()
            raise
        attempt.added[key] = copy, passwordless
        return key

    async def remove_listener(self, attempt_id: str, key: int) -> None:
        attempt = self._attempts.get(attempt_id)
        if attempt is None or key not in attempt.added:
            return
        listener, _ = attempt.added.pop(key)
        try:
            await self._connection.request_once(
                lambda seq: encode(RemoveListener(seq, attempt_id, key)), _CLOSE_SECONDS
            )
        except TimeoutError:
            _log.error("the egress process did not confirm the end of a listener: %s", attempt_id)
        finally:
            _shut(listener)

    def traffic(self, attempt_id: str) -> Traffic:
        attempt = self._attempts.get(attempt_id)
        return meter.read(attempt.cells) if attempt else Traffic()

    def sites(self, attempt_id: str) -> tuple[SiteTraffic, ...]:
        return self._site_counters.read(attempt_id)

    def tripped(self, attempt_id: str) -> bool:
        attempt = self._attempts.get(attempt_id)
        return attempt is not None and bool(attempt.cells[meter.TRIPPED])

    async def close(self, attempt_id: str) -> Traffic:
        attempt = self._attempts.pop(attempt_id, None)
        if attempt is None:
            return Traffic()
        try:
            await self._connection.request_once(
                lambda seq: encode(CloseAttempt(seq, attempt_id)), _CLOSE_SECONDS
            )
        except TimeoutError:
            _log.error("the egress process did not confirm the end of attempt %s", attempt_id)
        finally:
            attempt.shut()
            self._site_counters.end(attempt_id)
        return meter.read(attempt.cells)

    # requests

    async def _request_until_answered(
        self, send: Callable[[ClientChannel], Awaitable[str | None]], timeout: float | None = None
    ) -> None:
        try:
            error = await self._connection.request(send, timeout or self._timeout)
        except TimeoutError as problem:
            raise Unavailable("The egress process does not answer") from problem
        if error:
            raise ValueError(error)

    def _send_unawaited(self, request: CloseAttempt | RemoveListener) -> None:
        """Without a connection nothing is left to undo: its end closed all our attempts."""
        if self._connection.current is not None:
            self._connection.current.send(encode(request))

    async def _send_policy(self, channel: ClientChannel, policy: EgressPolicy) -> str | None:
        descriptor = write_policy(policy)
        try:
            return await channel.request(lambda seq: encode(ChangePolicy(seq)), [descriptor])
        finally:
            os.close(descriptor)

    async def _send_shares(self, channel: ClientChannel) -> str | None:
        shares = self._shares or SiteShares()
        return await channel.request(lambda seq: encode_shares(seq, shares))

    async def _send_open(self, channel: ClientChannel, attempt: _Attempt) -> str | None:
        grant = attempt.grant
        descriptors = [attempt.counters, *(copy.fileno() for copy in attempt.listeners)]
        descriptors += [] if attempt.browser is None else [attempt.browser]
        return await channel.request(
            lambda seq: encode(
                OpenAttempt(
                    seq,
                    grant.attempt_id,
                    grant.secret,
                    grant.region,
                    grant.allow,
                    grant.limit_bytes,
                    grant.domains,
                    grant.session,
                    grant.guarded,
                    grant.passwordless,
                    attempt.browser is not None,
                )
            ),
            descriptors,
        )

    async def _send_browser(
        self, channel: ClientChannel, attempt_id: str, browser: socket.socket
    ) -> str | None:
        return await channel.request(
            lambda seq: encode(RefuseBrowser(seq, attempt_id)), [browser.fileno()]
        )

    async def _send_added(
        self,
        channel: ClientChannel,
        attempt_id: str,
        listener: socket.socket,
        passwordless: bool,
    ) -> str | None:
        return await channel.request(
            lambda seq: encode(AddListener(seq, attempt_id, passwordless)), [listener.fileno()]
        )

    # notices

    def _notified(self, notice: Notice | ProxiesChecked) -> None:
        if isinstance(notice, ProxiesChecked):
            return  # checks use a connection of their own
        if isinstance(notice, SitesUsed):
            self._use = notice.use
            return
        if isinstance(notice, SitesPaused):
            self.on_pause()
            return
        attempt = self._attempts.get(notice.attempt_id)
        if attempt is None:
            return
        if isinstance(notice, TrafficLimitReached):
            self._report_trip(attempt)
        elif isinstance(notice, ConnectionRefused):
            self.on_refused(notice.attempt_id, notice.why)
        else:
            callbacks, attempt.browser_callbacks = attempt.browser_callbacks, []
            for on_connection in callbacks:
                on_connection()

    def _report_trip(self, attempt: _Attempt) -> None:
        if not attempt.trip_reported:
            attempt.trip_reported = True
            self.on_trip(attempt.grant.attempt_id)

    async def _send_rules(self, channel: ClientChannel) -> None:
        if self._policy is not None and (error := await self._send_policy(channel, self._policy)):
            _log.error("the egress process does not take the settings: %s", error)
        if self._shares is not None:
            self._shares = replace(self._shares, pauses=())  # they may be over
            await self._send_shares(channel)

    async def _reopen(self, channel: ClientChannel) -> None:
        """Bring a new process to the state of the earlier one: the policy, the shares of sites,
        then its attempts.
        """
        await self._send_rules(channel)
        for attempt in [known for known in self._attempts.values() if known.opened]:
            attempt_id = attempt.grant.attempt_id
            if attempt.cells[meter.TRIPPED]:
                self._report_trip(attempt)  # the notice may have been lost with the connection
            if attempt_id not in self._attempts:
                continue
            error = await self._send_open(channel, attempt)
            for browser in list(attempt.browsers):
                if not error and attempt_id in self._attempts:
                    error = await self._send_browser(channel, attempt_id, browser)
            for key, (listener, passwordless) in list(attempt.added.items()):
                if not error and key in attempt.added and attempt_id in self._attempts:
                    error = await self._send_added(channel, attempt_id, listener, passwordless)
            if error:
                _log.error("attempt %s lost its egress: %s", attempt_id, error)
