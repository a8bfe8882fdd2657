"""Throttles connections to sites: their rate and number, across all runs of this process.

A site is a host name. New connections to it start at a bounded rate, a bounded number of them is
open at once, and when it answers 429 or 503 none start for a while, twice as long each time.

A connection waits for its own site only, the runs take turns, and each run may have a few
connections open whatever the others have, so that no run can block another. The wait is bounded;
a connection that waited too long is refused with the reason.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from dataclasses import dataclass

_HTTP = b"HTTP/1."
_STATUS_END = len(b"HTTP/1.1 200")
TOO_MANY, UNAVAILABLE = 429, 503
_MANY_SITES = 1024  # beyond this, idle ones are forgotten


@dataclass(frozen=True, slots=True)
class ThrottleRules:
    """Lenient by default: a normal crawl of one site rarely reaches them. Times in seconds."""

    rate: float = 50.0  # new connections a second to one site
    connections: int = 200  # to one site at once
    share: int = 4  # that each run may have open whatever the others have
    first_pause: float = 1.0
    max_pause: float = 30.0  # 0: answers are ignored
    patience: float = 10.0

    @property
    def burst(self) -> float:
        """How many may start at once after an idle time."""
        return max(1.0, self.rate * 4)


class Throttled(Exception):
    """No connection to a site for now; the message is one line for the client."""

    def __init__(self, site: str, reason: str) -> None:
        super().__init__(f"{site} is being throttled: {reason}; FYKE_SITE_GUARD")
        self.site = site


class SiteRate:
    """The rate of one site, without I/O; ``now`` is in seconds of a monotonic clock."""

    def __init__(self, rules: ThrottleRules, now: float) -> None:
        self._rules = rules
        self._stock, self._at = rules.burst, now
        self._open: dict[str, int] = {}
        self.total = 0
        self.status = 0  # what the pause is for
        self._paused_until, self._pauses = 0.0, 0

    def wait(self, now: float) -> float:
        """Seconds until the rate and the pause allow the next connection."""
        self._refill(now)
        wait = (1 - self._stock) / self._rules.rate if self._stock < 1 else 0.0
        return max(wait, self.pause(now))

    def pause(self, now: float) -> float:
        """Seconds left of the site's pause."""
        return max(0.0, self._paused_until - now)

    def has_room(self, session: str) -> bool:
        """Whether one more of this run may be open."""
        return (
            self.total < self._rules.connections or self._open.get(session, 0) < self._rules.share
        )

    def enter(self, session: str) -> None:
        self._stock -= 1
        self.total += 1
        self._open[session] = self._open.get(session, 0) + 1

    def leave(self, session: str) -> None:
        self.total -= 1
        self._open[session] -= 1
        if not self._open[session]:
            del self._open[session]

    def answered(self, status: int, now: float) -> None:
        """Note an answer. Answers during a pause belong to earlier requests and are ignored."""
        if self.pause(now) > 0 or not self._rules.max_pause:
            return
        if status not in (TOO_MANY, UNAVAILABLE):
            self._pauses = 0
            return
        self.status = status
        length = self._rules.first_pause * 2**self._pauses
        self._pauses = min(self._pauses + 1, 20)
        self._paused_until = now + min(length, self._rules.max_pause)

    def at_rest(self, now: float) -> bool:
        """Whether it can be forgotten: idle, with its last pause long over."""
        self._refill(now)
        learned = self._pauses and now < self._paused_until + self._rules.max_pause
        return not self.total and self._stock >= self._rules.burst and not learned

    def _refill(self, now: float) -> None:
        grown = self._stock + (now - self._at) * self._rules.rate
        self._stock, self._at = min(self._rules.burst, grown), now


class SiteVisit:
    """One connection to a site. ``leave`` it once it has ended; a second call does nothing."""

    __slots__ = ("_left", "_session", "_site")

    def __init__(self, site: _Site, session: str) -> None:
        self._site, self._session, self._left = site, session, False

    def answered(self, status: int) -> None:
        self._site.pace.answered(status, time.monotonic())

    def leave(self) -> None:
        if not self._left:
            self._left = True
            self._site.left(self._session)


class StatusReader:
    """Reads the status of a plain HTTP answer, the only bytes of a site that are parsed."""

    __slots__ = ("_head", "done")

    def __init__(self) -> None:
        self._head = b""
        self.done = False

    def feed(self, data: memoryview) -> int:
        """Take the next bytes of a connection; return the status once, 0 before and otherwise."""
        head = self._head = self._head + bytes(data[: _STATUS_END - len(self._head)])
        if len(head) < _STATUS_END and head[:7] == _HTTP[: len(head)]:
            return 0
        self.done = True
        status = head[9:_STATUS_END]
        proper = head[:9] in (_HTTP + b"1 ", _HTTP + b"0 ") and status.isdigit()
        return int(status) if proper else 0


class _Site:
    """One site's rate, and the connections that wait for it, by run."""

    def __init__(self, name: str, rules: ThrottleRules) -> None:
        self.name, self._rules = name, rules
        self.pace = SiteRate(rules, time.monotonic())
        self._queues: OrderedDict[str, deque[asyncio.Future[SiteVisit]]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def forgettable(self) -> bool:
        return not self._queues and self.pace.at_rest(time.monotonic())

    def at_once(self, session: str) -> SiteVisit | None:
        """Enter without waiting, None when that is not possible."""
        if self._queues or self.pace.wait(time.monotonic()) > 0 or not self.pace.has_room(session):
            return None
        self.pace.enter(session)
        return SiteVisit(self, session)

    async def turn(self, session: str) -> SiteVisit:
        """Wait to enter. Raise ``Throttled``."""
        if self.pace.pause(time.monotonic()) > self._rules.patience:
            raise Throttled(self.name, self._why(session))
        future: asyncio.Future[SiteVisit] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(session, deque()).append(future)
        self._pump()
        try:
            async with asyncio.timeout(self._rules.patience):
                return await future
        except BaseException as error:
            self._give_up(session, future)
            if isinstance(error, TimeoutError):
                raise Throttled(self.name, self._why(session)) from None
            raise

    def left(self, session: str) -> None:
        self.pace.leave(session)
        if self._queues:
            self._pump()

    def _pump(self) -> None:
        """Admit what may enter now, the runs in turn; else try again when the rate allows."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._queues:
            wait = self.pace.wait(time.monotonic())
            if wait > 0:
                self._timer = asyncio.get_running_loop().call_later(wait, self._pump)
                return
            session = next((one for one in self._queues if self.pace.has_room(one)), None)
            if session is None:
                return  # a connection has to end first
            future = self._queues[session].popleft()
            self._queues.move_to_end(session)
            if not self._queues[session]:
                del self._queues[session]
            if not future.done():
                self.pace.enter(session)
                future.set_result(SiteVisit(self, session))

    def _give_up(self, session: str, future: asyncio.Future[SiteVisit]) -> None:
        if future.done() and not future.cancelled():
            future.result().leave()  # it was admitted at the same moment
            return
        queue = self._queues.get(session)
        if queue is not None and future in queue:
            queue.remove(future)
            if not queue:
                del self._queues[session]

    def _why(self, session: str) -> str:
        pause = self.pace.pause(time.monotonic())
        if pause > 0:
            return f"it answered {self.pace.status} and is paused for {pause:.0f} s more"
        if not self.pace.has_room(session):
            return f"{self.pace.total} connections to it are open, of all runs together"
        return f"all runs together start {self._rules.rate:g} connections a second to it"


class SiteThrottle:
    """All sites with connections now or a moment ago."""

    def __init__(self, rules: ThrottleRules) -> None:
        self._rules = rules
        self._sites: dict[str, _Site] = {}
        self._forget_at = _MANY_SITES

    def __len__(self) -> int:
        return len(self._sites)

    async def enter(self, name: str, session: str) -> SiteVisit:
        """Wait until a run may open a connection to a site. Raise ``Throttled``."""
        site = self._sites.get(name)
        if site is None:
            site = self._add(name)
        return site.at_once(session) or await site.turn(session)

    def _add(self, name: str) -> _Site:
        if len(self._sites) >= self._forget_at:
            self._sites = {name: site for name, site in self._sites.items() if not site.forgettable}
            self._forget_at = max(_MANY_SITES, 2 * len(self._sites))
        self._sites[name] = site = _Site(name, self._rules)
        return site
