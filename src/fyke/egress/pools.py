"""The proxies of the regions: which one a connection uses, and which ones are down.

A region (two letters, or ``*`` for all others) has one or more proxies: URLs separated by spaces.
With ``rotating`` before them each connection uses the next one. Otherwise (``sticky``) a run keeps
one of them: a hash orders the proxies for each run, and it uses the first that works. A region
without proxies connects directly.

A proxy that fails is down until a check succeeds; checks follow after one second, two, four, up to
a minute. A failure of the target does not count against its proxy.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fyke.egress.upstream import Upstream, UpstreamDown, UpstreamFailed
from fyke.kit.backoff import delay
from fyke.kit.resolver import Resolver

_log = logging.getLogger(__name__)

STICKY, ROTATING = "sticky", "rotating"
_REGION = re.compile(r"[A-Za-z]{2}|\*")
_TRIES = 3  # proxies tried for one connection
_FIRST_CHECK, _LAST_CHECK = 1.0, 60.0  # seconds until a check, growing


def split(text: str) -> tuple[str, list[str]]:
    """Policy and URLs of a region's setting, unchecked."""
    words = text.split()
    policy = words.pop(0) if words and words[0] in (STICKY, ROTATING) else STICKY
    return policy, words


@dataclass(frozen=True, slots=True)
class PoolSession:
    """The key of a sticky choice: the run, or a session that a Worker chose within it."""

    key: str
    chosen: bool = False  # by the Worker, which makes it sticky even in a rotating pool


@dataclass(frozen=True, slots=True)
class ProxyState:
    """One proxy in a health report; ``why`` is empty while it works."""

    region: str
    proxy: str  # without user and password
    why: str = ""
    seconds: float = 0.0  # for how long it has been down


@dataclass(slots=True)
class _Member:
    upstream: Upstream
    why: str = ""
    since: float = 0.0
    checking: asyncio.Task[None] | None = None


@dataclass(slots=True)
class Pool:
    """The proxies of one region."""

    region: str
    upstreams: Sequence[Upstream]
    rotating: bool
    resolver: Resolver
    _members: list[_Member] = field(init=False)
    _turn: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._members = [_Member(upstream) for upstream in self.upstreams]

    @classmethod
    def parse(cls, region: str, text: str, resolver: Resolver) -> Pool:
        """Raise ``ValueError`` with the problem, without a password."""
        policy, urls = split(text)
        upstreams = [Upstream.parse(url) for url in urls]
        if not upstreams:
            raise ValueError("it has no proxy")
        if len({upstream.resolves for upstream in upstreams}) > 1:
            raise ValueError("either all of its proxies resolve names (socks5h) or none")
        return cls(region, upstreams, policy == ROTATING, resolver)

    @property
    def resolves(self) -> bool:
        """Whether names go to the proxies unresolved."""
        return self.upstreams[0].resolves

    @property
    def states(self) -> list[ProxyState]:
        now = time.monotonic()
        return [
            ProxyState(
                self.region,
                member.upstream.name,
                member.why,
                now - member.since if member.why else 0.0,
            )
            for member in self._members
        ]

    async def connect(
        self, host: str, port: int, session: PoolSession
    ) -> tuple[socket.socket, bytes]:
        """Connect through the first proxy that works; return the socket and the first bytes of the
        target, if any arrived. The caller limits the time. Raise ``UpstreamFailed``.
        """
        for member in self._in_order(session)[:_TRIES]:
            try:
                return await member.upstream.connect(
                    host, port, self._session_value(session), self.resolver
                )
            except UpstreamDown as error:
                self._mark_down(member, str(error))
            except UpstreamFailed as error:
                raise UpstreamFailed(f"the proxy of this region failed: {error}") from error
        raise UpstreamFailed(self._reason())

    def close(self) -> None:
        """End the checks."""
        for member in self._members:
            if member.checking is not None:
                member.checking.cancel()

    def _in_order(self, session: PoolSession) -> list[_Member]:
        """Return the proxies that work, in the order to try."""
        working = [member for member in self._members if not member.why]
        if not self.rotating or session.chosen:
            return sorted(working, key=lambda member: _rank(session.key, member.upstream))
        self._turn += 1
        at = self._turn % len(working) if working else 0
        return working[at:] + working[:at]

    def _session_value(self, session: PoolSession) -> str:
        """The value for ``{session}`` in a user name: letters and digits only."""
        if self.rotating and not session.chosen:
            return secrets.token_hex(8)
        return hashlib.sha256(session.key.encode()).hexdigest()[:16]

    def _mark_down(self, member: _Member, why: str) -> None:
        if not member.why:
            member.since = time.monotonic()
            name = member.upstream.name
            _log.warning("proxy %s of region %s is down: %s", name, self.region, why)
        member.why = why
        if member.checking is None:
            member.checking = asyncio.get_running_loop().create_task(self._check_until_up(member))

    async def _check_until_up(self, member: _Member) -> None:
        try:
            for tries in range(1, 1_000_000):
                await asyncio.sleep(delay(tries, base=_FIRST_CHECK, cap=_LAST_CHECK))
                try:
                    await member.upstream.check(self.resolver)
                except UpstreamDown as error:
                    member.why = str(error)
                    continue
                member.why = ""
                _log.warning("proxy %s of region %s works again", member.upstream.name, self.region)
                return
        finally:
            member.checking = None

    def _reason(self) -> str:
        why = next((member.why for member in self._members if member.why), "all are busy")
        if len(self._members) == 1:
            return f"the proxy of this region does not work: {why}"
        down = sum(1 for member in self._members if member.why)
        return f"the proxies of this region: {down} of {len(self._members)} are down: {why}"


class Pools:
    """Region to pool. Raise ``ValueError`` naming the region for a malformed entry."""

    def __init__(self, texts: Mapping[str, str], resolver: Resolver) -> None:
        self._by_region: dict[str, Pool] = {}
        for region, text in texts.items():
            if not _REGION.fullmatch(region):
                raise ValueError(
                    f"FYKE_EGRESS_UPSTREAMS: region {region!r} must be two letters or '*'"
                )
            try:
                self._by_region[region.upper()] = Pool.parse(region.upper(), text, resolver)
            except ValueError as error:
                raise ValueError(f"FYKE_EGRESS_UPSTREAMS: region {region}: {error}") from error

    def of_region(self, region: str) -> Pool | None:
        """The proxies to use, None to go out directly."""
        return self._by_region.get(region.upper()) or self._by_region.get("*")

    @property
    def states(self) -> list[ProxyState]:
        return [state for pool in self._by_region.values() for state in pool.states]

    def close(self) -> None:
        for pool in self._by_region.values():
            pool.close()


def _rank(key: str, upstream: Upstream) -> bytes:
    """The sort key of a proxy for one run. When a proxy fails, only the runs that used it move."""
    login = f"{upstream.username}@{upstream.name}"
    return hashlib.sha256(f"{key}\0{login}".encode()).digest()
