"""Egress without a separate process, for one-off runs."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping, Sequence

from fyke.contracts.egress import NO_BROWSER, EgressGrant, Traffic
from fyke.egress.limits import ProxyLimits
from fyke.egress.proxy import Proxy
from fyke.egress.site_counters import SharedSiteCounters
from fyke.egress.throttle import ThrottleRules
from fyke.kit.addresses import AddressRules
from fyke.kit.interfaces import own_addresses
from fyke.kit.resolver import Resolver
from fyke.model.attempt import SiteTraffic


def _ignore_trip(attempt_id: str) -> None:
    """Do nothing when an attempt reaches its limit."""


def _ignore_refused(attempt_id: str, why: str) -> None:
    """Do nothing when a connection is refused."""


class LocalEgress:
    """Implements ``contracts.Egress`` in this process and loop. ``stop`` it at the end."""

    def __init__(
        self,
        rules: AddressRules | None = None,
        upstreams: Mapping[str, str] | None = None,
        *,
        resolver: Resolver | None = None,
        own: Callable[[], Iterable[str]] = own_addresses,
        limits: ProxyLimits | None = None,
        throttle: ThrottleRules | None = None,
        on_trip: Callable[[str], None] = _ignore_trip,
        no_browser: str = NO_BROWSER,
    ) -> None:
        self._proxy = Proxy(
            rules or AddressRules(),
            upstreams or {},
            resolver=resolver,
            own=own,
            limits=limits,
            throttle=throttle,
            no_browser=no_browser,
        )
        self._site_counters = SharedSiteCounters()
        self.on_trip = on_trip
        self.on_refused: Callable[[str, str], None] = _ignore_refused

    async def check(self) -> None:
        """Always succeeds, because the proxy is in this process."""

    async def open(
        self,
        listeners: Sequence[socket.socket],
        grant: EgressGrant,
        browser: int | None = None,
    ) -> None:
        copies = [listener.dup() for listener in listeners]
        try:
            counters = await self._proxy.open(
                copies,
                grant,
                lambda: self.on_trip(grant.attempt_id),
                on_refused=lambda why: self.on_refused(grant.attempt_id, why),
                browser=browser,
            )
        except BaseException:
            for copy in copies:
                copy.close()
            raise
        self._site_counters.add(grant.attempt_id, counters.sites)

    async def refuse_browser(
        self, attempt_id: str, listener: socket.socket, on_connection: Callable[[], None]
    ) -> None:
        copy = listener.dup()
        try:
            await self._proxy.refuse_browser(attempt_id, copy, on_connection)
        except BaseException:
            copy.close()
            raise

    async def add_listener(
        self, attempt_id: str, listener: socket.socket, *, passwordless: bool
    ) -> int:
        copy = listener.dup()
        try:
            return await self._proxy.add_listener(attempt_id, copy, passwordless=passwordless)
        except BaseException:
            copy.close()
            raise

    async def remove_listener(self, attempt_id: str, key: int) -> None:
        self._proxy.remove_listener(attempt_id, key)

    def traffic(self, attempt_id: str) -> Traffic:
        return self._proxy.traffic(attempt_id)

    def sites(self, attempt_id: str) -> tuple[SiteTraffic, ...]:
        return self._site_counters.read(attempt_id)

    def tripped(self, attempt_id: str) -> bool:
        return self._proxy.tripped(attempt_id)

    async def close(self, attempt_id: str) -> Traffic:
        final = self._proxy.close(attempt_id, final=True)
        self._site_counters.end(attempt_id)
        return final

    async def stop(self) -> None:
        """Close all attempts."""
        await self._proxy.stop()
