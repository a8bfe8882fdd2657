"""The proxy of a machine: the proxies of all its attempts, by attempt id."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fyke.contracts.egress import NO_BROWSER, EgressGrant, Traffic
from fyke.egress.actions import Credentials
from fyke.egress.attempt_proxy import AttemptProxy, listener_key
from fyke.egress.dialer import Dialer
from fyke.egress.limits import ProxyLimits
from fyke.egress.meter import CELLS, Cells, Meter
from fyke.egress.no_browser import NoBrowser
from fyke.egress.pools import Pools, ProxyState
from fyke.egress.proxied_connection import browser_protocol, client_protocol
from fyke.egress.rules import LookupRate, TargetRules
from fyke.egress.site_counters import SiteCounters
from fyke.egress.throttle import SiteThrottle, ThrottleRules, throttle_rules
from fyke.kit.addresses import AddressRules
from fyke.kit.domains import Domains
from fyke.kit.interfaces import own_addresses
from fyke.kit.resolver import Resolver
from fyke.model.node import EgressPolicy
from fyke.model.sites import SiteShares, SiteUse

_SWEEPS_PER_IDLE = 10


def _ignore(why: str) -> None:
    """Do nothing when a connection is refused."""


@dataclass(frozen=True, slots=True)
class Counters:
    """The traffic of one attempt: in total, and by site."""

    cells: Cells = field(default_factory=lambda: [0] * CELLS)
    sites: SiteCounters = field(default_factory=SiteCounters)


class Proxy:
    """Serves listeners under their grants; ``stop`` it at the end.

    ``rules`` apply to all attempts, ``upstreams`` are the regions' proxies as in ``Pools`` (which
    raises ``ValueError``). ``own`` returns the addresses of this machine and is called for each
    attempt, because they may change. Without ``throttle`` sites are not throttled. ``no_browser``
    is the answer on refused browser ports.
    """

    def __init__(
        self,
        rules: AddressRules,
        upstreams: Mapping[str, str],
        *,
        resolver: Resolver | None = None,
        own: Callable[[], Iterable[str]] = own_addresses,
        limits: ProxyLimits | None = None,
        throttle: ThrottleRules | None = None,
        no_browser: str = NO_BROWSER,
    ) -> None:
        self._no_browser = no_browser
        self.on_pause: Callable[[], None] | None = None  # called when a site is paused
        self._shares = SiteShares()
        self._throttle = self._make_throttle(throttle)
        self._rules = rules
        self._resolver = resolver or Resolver()
        self._upstreams = dict(upstreams)
        self._pools = Pools(upstreams, self._resolver)
        self._earlier_pools: list[tuple[Pools, set[str]]] = []  # with the attempts that use them
        self._own = own
        self._limits = limits or ProxyLimits()
        self._attempts: dict[str, AttemptProxy] = {}
        self._browsers: dict[str, list[NoBrowser]] = {}
        self._sweeper: asyncio.Task[None] | None = None

    def change(self, policy: EgressPolicy) -> None:
        """Use another policy for attempts that are opened from now on. Open ones keep their rules
        and proxies; other limits of sites apply to them too, unless sites were not throttled
        before, or are not any more. Raise ``ValueError`` for a malformed policy, and change
        nothing.
        """
        rules = self._rules.with_exemptions(policy.allow)
        if dict(policy.upstreams) != self._upstreams:
            pools = Pools(policy.upstreams, self._resolver)
            self._earlier_pools.append((self._pools, set(self._attempts)))
            self._upstreams, self._pools = dict(policy.upstreams), pools
            self._close_unused_pools()
        self._rules = rules
        throttle = throttle_rules(policy)
        if throttle is None or self._throttle is None:
            self._throttle = self._make_throttle(throttle)
        else:
            self._throttle.change(throttle)

    def share_sites(self, shares: SiteShares) -> SiteUse:
        """Share sites with other machines; return which are used here."""
        self._shares = shares
        if self._throttle is None:
            return SiteUse()
        self._throttle.share(shares)
        return self._throttle.use()

    def _make_throttle(self, rules: ThrottleRules | None) -> SiteThrottle | None:
        if rules is None:
            return None
        return SiteThrottle(rules, self._shares, self._note_pause)

    def _note_pause(self) -> None:
        if self.on_pause is not None:
            self.on_pause()

    def _close_unused_pools(self) -> None:
        unused = [
            pools for pools, users in self._earlier_pools if not users & self._attempts.keys()
        ]
        for pools in unused:
            pools.close()
        self._earlier_pools = [entry for entry in self._earlier_pools if entry[0] not in unused]

    async def open(
        self,
        listeners: Sequence[socket.socket],
        grant: EgressGrant,
        on_trip: Callable[[], None],
        counters: Counters | None = None,
        on_refused: Callable[[str], None] = _ignore,
        browser: int | None = None,
    ) -> Counters:
        """Serve and own the listeners; ``browser`` is copied. Counting continues with ``counters``,
        or begins with new ones; they are returned. ``on_refused`` gets one line for each of the
        first ten sites whose throttle refused a connection, for each of the first ten whose name
        has no address, and one for the first that the browser was refused.

        Raise ``ValueError`` for a malformed grant or an id that is already open.
        """
        if grant.attempt_id in self._attempts:
            raise ValueError(f"attempt {grant.attempt_id} already has egress")
        counters = counters or Counters()
        attempt = self._make_attempt(grant, on_trip, on_refused, counters)
        if browser is not None:
            attempt.own_browser(browser)
        self._attempts[grant.attempt_id] = attempt
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().create_task(self._sweep())
        try:
            for listener in listeners:
                await attempt.listen(listener, lambda: client_protocol(attempt))
                attempt.add_endpoint(listener)
        except BaseException:
            self.close(grant.attempt_id, final=False)
            raise
        return counters

    async def refuse_browser(
        self, attempt_id: str, listener: socket.socket, on_connection: Callable[[], None]
    ) -> None:
        """Own the listener and answer 503 on it until the attempt is closed."""
        if attempt_id not in self._attempts:
            raise ValueError(f"attempt {attempt_id} has no egress")
        browser = NoBrowser(listener, on_connection, self._no_browser)
        self._browsers.setdefault(attempt_id, []).append(browser)
        await browser.start()

    async def add_listener(
        self, attempt_id: str, listener: socket.socket, *, passwordless: bool
    ) -> int:
        """Own and serve one more listener of an open attempt; return its key."""
        attempt = self._attempts.get(attempt_id)
        if attempt is None:
            raise ValueError(f"attempt {attempt_id} has no egress")
        credentials = attempt.credentials.for_listener(passwordless=passwordless)
        await attempt.listen(listener, lambda: browser_protocol(attempt, credentials))
        return listener_key(listener)

    def remove_listener(self, attempt_id: str, key: int) -> None:
        """Stop to serve an added listener. Unknown ones are ignored."""
        attempt = self._attempts.get(attempt_id)
        if attempt is not None:
            attempt.remove(key)

    def traffic(self, attempt_id: str) -> Traffic:
        attempt = self._attempts.get(attempt_id)
        return attempt.meter.traffic if attempt else Traffic()

    @property
    def proxies(self) -> list[ProxyState]:
        """The proxies of all regions."""
        return self._pools.states

    def tripped(self, attempt_id: str) -> bool:
        attempt = self._attempts.get(attempt_id)
        return attempt is not None and attempt.meter.tripped

    def close(self, attempt_id: str, *, final: bool) -> Traffic:
        """Cut all connections of the attempt; see ``AttemptProxy.stop`` for ``final``."""
        for browser in self._browsers.pop(attempt_id, []):
            browser.stop(final=final)
        attempt = self._attempts.pop(attempt_id, None)
        if attempt is None:
            return Traffic()
        attempt.stop(final=final)
        self._close_unused_pools()
        return attempt.meter.close()

    async def stop(self) -> None:
        """Close all attempts and end the resolver's threads."""
        for attempt_id in list(self._attempts):
            self.close(attempt_id, final=False)
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for pools in (self._pools, *(pools for pools, _ in self._earlier_pools)):
            pools.close()
        self._resolver.close()

    def _make_attempt(
        self,
        grant: EgressGrant,
        on_trip: Callable[[], None],
        on_refused: Callable[[str], None],
        counters: Counters,
    ) -> AttemptProxy:
        limits = self._limits
        addresses = self._rules.extended(grant.allow, self._own())
        rate_limit = LookupRate(limits.lookups_per_second, limits.lookup_burst)
        domains = None if grant.domains is None else Domains(grant.domains)
        rules = TargetRules(addresses, self._resolver, rate_limit, domains)
        return AttemptProxy(
            Credentials(grant.attempt_id, grant.secret, passwordless=grant.passwordless),
            Meter(grant.limit_bytes, counters.cells),
            counters.sites,
            Dialer(rules, self._pools.of_region(grant.region), limits.connect_seconds),
            limits,
            on_trip,
            on_refused,
            self._throttle if grant.guarded else None,
            grant.session or grant.attempt_id,
        )

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._limits.idle_seconds / _SWEEPS_PER_IDLE)
            self._cut_idle_connections()

    def _cut_idle_connections(self) -> None:
        for attempt in list(self._attempts.values()):
            attempt.sweep(_SWEEPS_PER_IDLE)
