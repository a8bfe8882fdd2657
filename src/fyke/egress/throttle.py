"""Throttles connections to sites: their rate and number, across all runs of this process.

Other machines may use the same sites. Then this process has a part of the limits (``share``), and
gets the pauses that began elsewhere.

A site is a host name. New connections to it start at a limited rate, a limited number is open at
once, and after an answer with 429 or 503 none start for a while, twice as long each time.

A connection waits only for its own site, the runs take turns, and each run may have a few
connections open regardless of the others, so that no run can block another. The wait is limited;
then the connection is refused with the reason.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from fyke.model.node import EgressPolicy
from fyke.model.sites import (
    MAX_OWN_PAUSES,
    MAX_PAUSE_NUMBER,
    MAX_SHARED_SITES,
    USED_SECONDS,
    SitePause,
    SiteShares,
    SiteUse,
)

_HTTP = b"HTTP/1."
_STATUS_END = len(b"HTTP/1.1 200")
TOO_MANY, UNAVAILABLE = 429, 503
_MAX_SITES = 1024  # with more, idle ones are removed
# between two pauses that other machines have reported: one that lies cannot stop all others
OPEN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ThrottleRules:
    """The defaults are rarely reached by a normal crawl of one site. Times in seconds."""

    rate: float = 50.0  # new connections a second to one site
    connections: int = 200  # open to one site
    share: int = 4  # connections that each run may have open regardless of the others
    first_pause: float = 1.0
    max_pause: float = 30.0  # 0: 429 and 503 are ignored
    max_wait: float = 10.0
    machines: int = 1  # that share the site: rate and connections are the part of this one

    @property
    def burst(self) -> float:
        """How many connections may start at once after an idle time."""
        return max(1.0, self.rate * 4)

    def divided(self, machines: int) -> ThrottleRules:
        """The part of one of so many machines; at least one connection."""
        if machines <= 1:
            return self
        connections = max(1, self.connections // machines)
        rate = self.rate / machines
        return replace(self, rate=rate, connections=connections, machines=machines)


def throttle_rules(policy: EgressPolicy) -> ThrottleRules | None:
    """The rules that throttle sites, or None."""
    if not policy.site_guard:
        return None
    return ThrottleRules(
        rate=policy.site_rate,
        connections=policy.site_connections,
        max_pause=policy.site_pause_seconds,
    )


class Throttled(Exception):
    """A connection to a site is refused for now; the message is one line for the client."""

    def __init__(self, site: str, reason: str) -> None:
        super().__init__(f"{site} is being throttled: {reason}; FYKE_SITE_GUARD")
        self.site = site


class SiteRate:
    """The rate of one site, without I/O; ``now`` is in seconds of a monotonic clock."""

    def __init__(self, rules: ThrottleRules, now: float) -> None:
        self._rules = rules
        self._tokens, self._updated_at = rules.burst, now
        self._open: dict[str, int] = {}
        self.total = 0
        self.status = 0  # the cause of the pause
        self._paused_until, self._pauses = 0.0, 0
        self._others_from = self._others_until = -math.inf  # a pause that began elsewhere
        self._entered_at = -math.inf

    def change(self, rules: ThrottleRules, now: float) -> None:
        """Use other limits. Connections that are open stay open; a pause goes on."""
        self._refill(now)
        self._rules = rules
        self._tokens = min(self._tokens, rules.burst)

    def wait(self, now: float) -> float:
        """Seconds until the rate and the pause allow the next connection."""
        self._refill(now)
        wait = (1 - self._tokens) / self._rules.rate if self._tokens < 1 else 0.0
        return max(wait, self.pause(now))

    def pause(self, now: float) -> float:
        """Remaining seconds of the site's pause."""
        until = self._paused_until
        if self._others_from <= now:
            until = max(until, self._others_until)
        return max(0.0, until - now)

    def own_pause(self, name: str, now: float) -> SitePause | None:
        """The pause that began here, if it goes on."""
        left = self._paused_until - now
        return SitePause(name, left, self._pauses, self.status) if left > 0 else None

    def pause_by_others(self, other: SitePause, now: float) -> None:
        """Pause because another machine does. Between two such pauses the site is open for a while,
        and none is longer than the longest own one. Repeated: it goes on as long as the longest.
        """
        if not self._rules.max_pause:
            return
        begins = self._others_from
        if now >= self._others_until:
            begins = max(now, self._others_until + OPEN_SECONDS)
        until = min(now + other.seconds, begins + self._rules.max_pause)
        if until <= max(begins, self._others_until):
            return
        self._others_from, self._others_until = begins, until
        self._pauses = max(self._pauses, min(other.number, MAX_PAUSE_NUMBER))
        self.status = other.status

    def is_used(self, now: float) -> bool:
        """Whether a connection is open, or the last one has started a short time ago."""
        return self.total > 0 or now - self._entered_at < USED_SECONDS

    def has_room(self, session: str) -> bool:
        """Whether this run may open one more connection."""
        return (
            self.total < self._rules.connections or self._open.get(session, 0) < self._rules.share
        )

    def enter(self, session: str) -> None:
        """Start a connection, which ``wait`` has allowed just before."""
        self._entered_at = self._updated_at
        self._tokens -= 1
        self.total += 1
        self._open[session] = self._open.get(session, 0) + 1

    def leave(self, session: str) -> None:
        self.total -= 1
        self._open[session] -= 1
        if not self._open[session]:
            del self._open[session]

    def record_status(self, status: int, now: float) -> bool:
        """Pause after 429 or 503; return whether a pause starts here. Answers during a pause are to
        earlier requests and ignored.
        """
        if self.pause(now) > 0 or not self._rules.max_pause:
            return False
        if status not in (TOO_MANY, UNAVAILABLE):
            self._pauses = 0
            return False
        self.status = status
        length = self._rules.first_pause * 2**self._pauses
        self._pauses = min(self._pauses + 1, MAX_PAUSE_NUMBER)
        self._paused_until = now + min(length, self._rules.max_pause)
        return True

    def is_idle(self, now: float) -> bool:
        """Whether the site can be removed: no connection, no backlog, and no recent pause."""
        self._refill(now)
        paused_until = max(self._paused_until, self._others_until)
        remembers_pause = self._pauses and now < paused_until + self._rules.max_pause
        return not self.total and self._tokens >= self._rules.burst and not remembers_pause

    def _refill(self, now: float) -> None:
        tokens = self._tokens + (now - self._updated_at) * self._rules.rate
        self._tokens, self._updated_at = min(self._rules.burst, tokens), now


class SiteVisit:
    """One connection to a site. Call ``leave`` at its end; more calls do nothing."""

    __slots__ = ("_released", "_session", "_site")

    def __init__(self, site: _Site, session: str) -> None:
        self._site, self._session, self._released = site, session, False

    def record_status(self, status: int) -> None:
        self._site.record_status(status)

    def leave(self) -> None:
        if not self._released:
            self._released = True
            self._site.release(self._session)


class StatusReader:
    """Reads the status of a plain HTTP response, the only bytes of a site that are parsed."""

    __slots__ = ("_head", "done")

    def __init__(self) -> None:
        self._head = b""
        self.done = False

    def feed(self, data: memoryview) -> int:
        """Take the next bytes; return the status once it is complete, otherwise 0."""
        head = self._head = self._head + bytes(data[: _STATUS_END - len(self._head)])
        if len(head) < _STATUS_END and head[:7] == _HTTP[: len(head)]:
            return 0
        self.done = True
        status = head[9:_STATUS_END]
        is_http = head[:9] in (_HTTP + b"1 ", _HTTP + b"0 ") and status.isdigit()
        return int(status) if is_http else 0


class _Site:
    """One site's rate, and the connections that wait for it, by run."""

    def __init__(self, name: str, rules: ThrottleRules, on_pause: Callable[[], None]) -> None:
        self.name, self._rules, self._on_pause = name, rules, on_pause
        self.rate_limit = SiteRate(rules, time.monotonic())
        self._queues: OrderedDict[str, deque[asyncio.Future[SiteVisit]]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    def change(self, rules: ThrottleRules) -> None:
        """Use other limits, also for connections that wait."""
        if rules is self._rules:
            return
        self._rules = rules
        self.rate_limit.change(rules, time.monotonic())
        self._admit_waiting()

    def record_status(self, status: int) -> None:
        if self.rate_limit.record_status(status, time.monotonic()):
            self._on_pause()

    def is_used(self, now: float) -> bool:
        return bool(self._queues) or self.rate_limit.is_used(now)

    @property
    def is_removable(self) -> bool:
        return not self._queues and self.rate_limit.is_idle(time.monotonic())

    def try_enter(self, session: str) -> SiteVisit | None:
        """Enter without waiting; None when that is not possible."""
        if (
            self._queues
            or self.rate_limit.wait(time.monotonic()) > 0
            or not self.rate_limit.has_room(session)
        ):
            return None
        self.rate_limit.enter(session)
        return SiteVisit(self, session)

    async def wait_to_enter(self, session: str) -> SiteVisit:
        """Wait to enter. Raise ``Throttled``."""
        if self.rate_limit.pause(time.monotonic()) > self._rules.max_wait:
            raise Throttled(self.name, self._reason(session))
        future: asyncio.Future[SiteVisit] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(session, deque()).append(future)
        self._admit_waiting()
        try:
            async with asyncio.timeout(self._rules.max_wait):
                return await future
        except BaseException as error:
            self._withdraw(session, future)
            if isinstance(error, TimeoutError):
                raise Throttled(self.name, self._reason(session)) from None
            raise

    def release(self, session: str) -> None:
        self.rate_limit.leave(session)
        if self._queues:
            self._admit_waiting()

    def _admit_waiting(self) -> None:
        """Admit the connections that may start now, the runs in turn. If others remain, schedule
        the next call for the time at which the rate allows the next connection.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._queues:
            wait = self.rate_limit.wait(time.monotonic())
            if wait > 0:
                self._timer = asyncio.get_running_loop().call_later(wait, self._admit_waiting)
                return
            with_room = (run for run in self._queues if self.rate_limit.has_room(run))
            session = next(with_room, None)
            if session is None:
                return  # a connection has to end first
            future = self._queues[session].popleft()
            self._queues.move_to_end(session)
            if not self._queues[session]:
                del self._queues[session]
            if not future.done():
                self.rate_limit.enter(session)
                future.set_result(SiteVisit(self, session))

    def _withdraw(self, session: str, future: asyncio.Future[SiteVisit]) -> None:
        if future.done() and not future.cancelled():
            future.result().leave()  # it was admitted at the same moment
            return
        queue = self._queues.get(session)
        if queue is not None and future in queue:
            queue.remove(future)
            if not queue:
                del self._queues[session]

    def _reason(self, session: str) -> str:
        pause = self.rate_limit.pause(time.monotonic())
        if pause > 0:
            return f"it answered {self.rate_limit.status} and is paused for {pause:.0f} s more"
        if not self.rate_limit.has_room(session):
            return f"{self.rate_limit.total} connections to it are open, of all runs together"
        reason = f"all runs together may start {self._rules.rate:g} connections a second to it"
        if self._rules.machines > 1:
            reason += f" from this machine, one of {self._rules.machines} that share it"
        return reason


class SiteThrottle:
    """All sites with open or recent connections. ``on_pause`` is called when a pause begins."""

    def __init__(
        self,
        rules: ThrottleRules,
        shares: SiteShares | None = None,
        on_pause: Callable[[], None] = lambda: None,
    ) -> None:
        """``shares`` are those of ``share``; without them this machine is the only one."""
        self._rules = rules
        self._divided: dict[int, ThrottleRules] = {}
        self._shares = shares or SiteShares()
        self._paused_elsewhere: dict[str, SitePause] = {}  # pauses that began elsewhere
        self._received_at = 0.0
        self._on_pause = on_pause
        self._sites: dict[str, _Site] = {}
        self._forget_at = _MAX_SITES

    def __len__(self) -> int:
        return len(self._sites)

    def change(self, rules: ThrottleRules) -> None:
        """Use other limits, for all sites."""
        self._rules = rules
        self._divided.clear()
        for name, site in self._sites.items():
            site.change(self._rules_of(name))

    def share(self, shares: SiteShares) -> None:
        """Divide the limits with other machines, and pause as they do."""
        self._shares = shares
        self._paused_elsewhere = {pause.site: pause for pause in shares.pauses}
        self._received_at = now = time.monotonic()
        for pause in shares.pauses:
            if (site := self._sites.get(pause.site)) is not None:
                site.rate_limit.pause_by_others(pause, now)
        for name, site in self._sites.items():
            site.change(self._rules_of(name))

    def use(self) -> SiteUse:
        """The sites that are used here: the first that were, so that they rarely change."""
        now = time.monotonic()
        used = [name for name, site in self._sites.items() if site.is_used(now)]
        own = (site.rate_limit.own_pause(name, now) for name, site in self._sites.items())
        pauses = sorted((p for p in own if p is not None), key=lambda p: p.seconds, reverse=True)
        more = len(used) > MAX_SHARED_SITES
        return SiteUse(tuple(used[:MAX_SHARED_SITES]), more, tuple(pauses[:MAX_OWN_PAUSES]))

    async def enter(self, name: str, session: str) -> SiteVisit:
        """Wait until a run may open a connection to a site. Raise ``Throttled``."""
        site = self._sites.get(name)
        if site is None:
            site = self._add(name)
        return site.try_enter(session) or await site.wait_to_enter(session)

    def _rules_of(self, name: str) -> ThrottleRules:
        machines = self._shares.of(name)
        rules = self._divided.get(machines)
        if rules is None:
            rules = self._divided[machines] = self._rules.divided(machines)
        return rules

    def _add(self, name: str) -> _Site:
        if len(self._sites) >= self._forget_at:
            self._sites = {
                name: site for name, site in self._sites.items() if not site.is_removable
            }
            self._forget_at = max(_MAX_SITES, 2 * len(self._sites))
        self._sites[name] = site = _Site(name, self._rules_of(name), self._on_pause)
        if (pause := self._paused_elsewhere.get(name)) is not None:
            now = time.monotonic()
            left = pause.seconds - (now - self._received_at)
            site.rate_limit.pause_by_others(replace(pause, seconds=left), now)
        return site
