"""The way out without a process of its own, for one-off runs and for machines without one."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping, Sequence

from fyke.contracts.egress import EgressGrant, SiteTraffic, Traffic
from fyke.egress.limits import ProxyLimits
from fyke.egress.proxy import Proxy
from fyke.egress.site_counters import SharedSiteCounters
from fyke.egress.throttle import ThrottleRules
from fyke.kit.addresses import AddressRules
from fyke.kit.interfaces import own_addresses
from fyke.kit.names import Resolver


def _no_one(attempt_id: str) -> None:
    """Nobody wants to hear of trips."""


def _not_told(attempt_id: str, why: str) -> None:
    """Nobody wants to hear of spared sites."""


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
        guard: ThrottleRules | None = None,
        on_trip: Callable[[str], None] = _no_one,
    ) -> None:
        self._proxy = Proxy(
            rules or AddressRules(),
            upstreams or {},
            resolver=resolver,
            own=own,
            limits=limits,
            guard=guard,
        )
        self._books = SharedSiteCounters()
        self.on_trip = on_trip
        self.on_spared: Callable[[str, str], None] = _not_told

    async def open(self, listeners: Sequence[socket.socket], grant: EgressGrant) -> None:
        copies = [listener.dup() for listener in listeners]
        try:
            counters = await self._proxy.open(
                copies,
                grant,
                lambda: self.on_trip(grant.attempt_id),
                on_spared=lambda why: self.on_spared(grant.attempt_id, why),
            )
        except BaseException:
            for copy in copies:
                copy.close()
            raise
        self._books.add(grant.attempt_id, counters.book)

    async def refuse_browser(
        self, attempt_id: str, listener: socket.socket, asked: Callable[[], None]
    ) -> None:
        copy = listener.dup()
        try:
            await self._proxy.refuse_browser(attempt_id, copy, asked)
        except BaseException:
            copy.close()
            raise

    def traffic(self, attempt_id: str) -> Traffic:
        return self._proxy.traffic(attempt_id)

    def sites(self, attempt_id: str) -> tuple[SiteTraffic, ...]:
        return self._books.read(attempt_id)

    def tripped(self, attempt_id: str) -> bool:
        return self._proxy.tripped(attempt_id)

    async def close(self, attempt_id: str) -> Traffic:
        final = self._proxy.close(attempt_id, final=True)
        self._books.end(attempt_id)
        return final

    async def stop(self) -> None:
        """Close all attempts."""
        await self._proxy.stop()
