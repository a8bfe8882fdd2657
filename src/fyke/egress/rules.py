"""Decides which targets an attempt may reach: the syntax of the host, the port, and every address
of the name are checked.

Ports of mail submission and relay (25, 465, 587) are refused, because a proxy that allows them
becomes a source of spam; an allow entry that names the port opens it. Every other port is open,
since sites use any port; addresses are checked for every port.

Lookups are rate limited per attempt, because the labels of a name can leak data, and few of them
are open at once, so that names whose lookup hangs do not delay other attempts.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from fyke.egress.actions import ProxyRefusal
from fyke.kit.addresses import AddressRules, refused_address, unwrap
from fyke.kit.domains import Domains
from fyke.kit.hostports import Address, BadHost, Host, is_localhost, parse_host
from fyke.kit.resolver import LookupTimeout, Resolver, Unresolvable

MAIL_PORTS = frozenset({25, 465, 587})
LOCAL_SUFFIXES = (".local", ".internal", ".lan", ".home", ".corp", ".intranet", ".home.arpa")
MAX_DIALED = 4  # addresses tried for one name
MAX_OPEN_LOOKUPS = 8  # per attempt


class TargetRefused(Exception):
    """The target is not reached; ``reason`` is one line for the client."""

    def __init__(self, refusal: ProxyRefusal, reason: str) -> None:
        super().__init__(reason)
        self.refusal = refusal
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Target:
    """A host and a port whose syntax has been checked."""

    host: Host
    port: int


class LookupRate:
    """At most ``rate`` lookups a second on average, ``burst`` at once."""

    def __init__(self, rate: float = 20.0, burst: float = 100.0) -> None:
        self._rate, self._burst = rate, burst
        self._tokens = burst
        self._updated_at = time.monotonic()

    def admit(self) -> bool:
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._updated_at) * self._rate)
        self._updated_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class TargetRules:
    """The rules of one attempt."""

    def __init__(
        self,
        addresses: AddressRules,
        resolver: Resolver,
        rate_limit: LookupRate,
        domains: Domains | None = None,
    ) -> None:
        self._domains = domains
        self._addresses = addresses
        self._resolver = resolver
        self._rate_limit = rate_limit
        self._open_lookups = asyncio.Semaphore(MAX_OPEN_LOOKUPS)

    def parse(self, host: bytes, port: int) -> Target:
        """Check the syntax of the host and the port. Raise ``TargetRefused``."""
        try:
            parsed = parse_host(host)
        except BadHost as error:
            raise TargetRefused(ProxyRefusal.FORBIDDEN, str(error)) from error
        if not 1 <= port <= 65535:
            raise TargetRefused(ProxyRefusal.FORBIDDEN, "the port must be from 1 to 65535")
        return Target(parsed if isinstance(parsed, str) else unwrap(parsed), port)

    def admit(self, target: Target) -> None:
        """Check the port and the declared domains. Raise ``TargetRefused``."""
        host, port = target.host, target.port
        if port in MAIL_PORTS and not self.exempts(host, port):
            raise TargetRefused(
                ProxyRefusal.FORBIDDEN,
                f"port {port} is a mail port and blocked; FYKE_EGRESS_ALLOW can open it",
            )
        if self._domains is not None and not self._domains.covers(host, port):
            raise TargetRefused(
                ProxyRefusal.FORBIDDEN,
                f"{host} port {port} is not among the domains that this version declares",
            )

    async def addresses(self, target: Target) -> list[str]:
        """Resolve the name once and return the checked addresses, the only ones to dial.

        Raise ``TargetRefused``.
        """
        host, port = target.host, target.port
        allowed = self._addresses.select(host, await self._answers(host), port)
        if not allowed:
            invalid_form = not isinstance(host, str) or is_localhost(host)
            raise TargetRefused(
                ProxyRefusal.FORBIDDEN if invalid_form else ProxyRefusal.UNRESOLVABLE,
                refused_address(host, "FYKE_EGRESS_ALLOW", port),
            )
        return allowed[:MAX_DIALED]

    def remote_name(self, target: Target) -> str | None:
        """The name that the proxy of the region must resolve; None for an address.

        Raise ``TargetRefused`` for names that are local to a network.
        """
        host = target.host
        if not isinstance(host, str):
            return None
        local = is_localhost(host) or "." not in host or host.endswith(LOCAL_SUFFIXES)
        if local and not self._addresses.check_name(host, target.port):
            raise TargetRefused(
                ProxyRefusal.FORBIDDEN, f"{host} is a local name; FYKE_EGRESS_ALLOW can open it"
            )
        return host

    async def _answers(self, host: Host) -> tuple[str | Address, ...]:
        """The addresses of the host; empty for a name without one, refused like a private host."""
        if not isinstance(host, str):
            return (host,)
        cached = self._resolver.cached(host)
        if cached:
            return cached
        if cached is None and not self._rate_limit.admit():
            raise TargetRefused(ProxyRefusal.UNRESOLVABLE, "too many name lookups; slow down")
        try:
            return await self._resolver.resolve(host, self._open_lookups)
        except LookupTimeout as error:
            raise TargetRefused(ProxyRefusal.UNRESOLVABLE, str(error)) from error
        except Unresolvable:
            return ()

    def exempts(self, host: Host, port: int) -> bool:
        """Whether an allow entry names this host and port."""
        if isinstance(host, str):
            return self._addresses.check_name(host, port)
        return self._addresses.exempt(host, port)
