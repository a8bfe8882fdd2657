"""The proxy as a whole: the gates of all attempts, by the attempt's id."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fyke.contracts.egress import EgressGrant, Traffic
from fyke.egress.actions import Credentials
from fyke.egress.attempt_proxy import AttemptProxy
from fyke.egress.dialer import Dialer
from fyke.egress.limits import ProxyLimits
from fyke.egress.meter import CELLS, Cells, Meter
from fyke.egress.no_browser import NoBrowser
from fyke.egress.pools import Pools, ProxyState
from fyke.egress.proxied_connection import client_protocol
from fyke.egress.rules import LookupPace, TargetRules
from fyke.egress.site_counters import SiteCounters
from fyke.egress.throttle import SiteThrottle, ThrottleRules
from fyke.kit.addresses import AddressRules
from fyke.kit.domains import Domains
from fyke.kit.interfaces import own_addresses
from fyke.kit.names import Resolver

_SWEEPS_PER_IDLE = 10


def _no_one(why: str) -> None:
    """Nobody wants to hear of it."""


@dataclass(frozen=True, slots=True)
class Counters:
    """What one attempt used: in all, and by site."""

    cells: Cells = field(default_factory=lambda: [0] * CELLS)
    book: SiteCounters = field(default_factory=SiteCounters)


class Proxy:
    """Serves listeners under their grants; ``stop`` it at the end.

    ``rules`` hold for all attempts, ``upstreams`` are the regions' proxies as ``pools`` reads
    them (raises ``ValueError``); ``own`` tells the addresses of this machine, and is asked
    anew for each attempt, because they change while we run. Without a ``guard`` sites are not
    spared.
    """

    def __init__(
        self,
        rules: AddressRules,
        upstreams: Mapping[str, str],
        *,
        resolver: Resolver | None = None,
        own: Callable[[], Iterable[str]] = own_addresses,
        limits: ProxyLimits | None = None,
        guard: ThrottleRules | None = None,
    ) -> None:
        self._guard = None if guard is None else SiteThrottle(guard)
        self._rules = rules
        self._resolver = resolver or Resolver()
        self._pools = Pools(upstreams, self._resolver)
        self._own = own
        self._limits = limits or ProxyLimits()
        self._gates: dict[str, AttemptProxy] = {}
        self._browsers: dict[str, list[NoBrowser]] = {}
        self._sweeper: asyncio.Task[None] | None = None

    async def open(
        self,
        listeners: Sequence[socket.socket],
        grant: EgressGrant,
        on_trip: Callable[[], None],
        counters: Counters | None = None,
        on_spared: Callable[[str], None] = _no_one,
    ) -> Counters:
        """Serve the listeners, which are ours from now on. ``counters`` are those to go on with;
        the ones in use are returned. ``on_spared`` gets one line for each of the first ten sites
        that a connection was refused to spare.

        Raise ``ValueError`` for a malformed pass or an id that is open already.
        """
        if grant.attempt_id in self._gates:
            raise ValueError(f"attempt {grant.attempt_id} has a way out already")
        counters = counters or Counters()
        gate = self._make_gate(grant, on_trip, on_spared, counters)
        self._gates[grant.attempt_id] = gate
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().create_task(self._sweep())
        try:
            for listener in listeners:
                await gate.listen(listener, client_protocol)
        except BaseException:
            self.close(grant.attempt_id, final=False)
            raise
        return counters

    async def refuse_browser(
        self, attempt_id: str, listener: socket.socket, asked: Callable[[], None]
    ) -> None:
        """Answer 503 on the listener, which is ours from now on, until the attempt is closed."""
        if attempt_id not in self._gates:
            raise ValueError(f"attempt {attempt_id} has no way out")
        browser = NoBrowser(listener, asked)
        self._browsers.setdefault(attempt_id, []).append(browser)
        await browser.start()

    def traffic(self, attempt_id: str) -> Traffic:
        gate = self._gates.get(attempt_id)
        return gate.meter.traffic if gate else Traffic()

    @property
    def proxies(self) -> list[ProxyState]:
        """The proxies of all regions."""
        return self._pools.states

    def tripped(self, attempt_id: str) -> bool:
        gate = self._gates.get(attempt_id)
        return gate is not None and gate.meter.tripped

    def close(self, attempt_id: str, *, final: bool) -> Traffic:
        """Cut everything of the attempt; see ``AttemptProxy.stop`` for ``final``."""
        for browser in self._browsers.pop(attempt_id, []):
            browser.stop(final=final)
        gate = self._gates.pop(attempt_id, None)
        if gate is None:
            return Traffic()
        gate.stop(final=final)
        return gate.meter.close()

    async def stop(self) -> None:
        """Close all attempts and give up the threads."""
        for attempt_id in list(self._gates):
            self.close(attempt_id, final=False)
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        self._pools.close()
        self._resolver.close()

    def _make_gate(
        self,
        grant: EgressGrant,
        on_trip: Callable[[], None],
        on_spared: Callable[[str], None],
        counters: Counters,
    ) -> AttemptProxy:
        limits = self._limits
        addresses = self._rules.extended(grant.allow, self._own())
        pace = LookupPace(limits.lookups_per_second, limits.lookup_burst)
        domains = None if grant.domains is None else Domains(grant.domains)
        rules = TargetRules(addresses, self._resolver, pace, domains)
        return AttemptProxy(
            Credentials(grant.attempt_id, grant.secret, passwordless=grant.passwordless),
            Meter(grant.limit_bytes, counters.cells),
            counters.book,
            Dialer(rules, self._pools.of_region(grant.region), limits.connect_seconds),
            limits,
            on_trip,
            on_spared,
            self._guard if grant.guarded else None,
            grant.session or grant.attempt_id,
        )

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._limits.idle_seconds / _SWEEPS_PER_IDLE)
            for gate in list(self._gates.values()):
                gate.sweep(_SWEEPS_PER_IDLE)
