"""One attempt on its way out: its listeners, its links, and what they share."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from fyke.egress.actions import Credentials
from fyke.egress.dialer import Dialer
from fyke.egress.limits import ProxyLimits
from fyke.egress.meter import Meter
from fyke.egress.site_counters import SiteCounters
from fyke.egress.throttle import SiteThrottle

OWN_NAMES = ("localhost", "proxy-inner.coreclaw.com", "proxy-inner.cafescraper.com")

_SITES_TOLD_OF = 10


class OpenConnection(Protocol):
    """A connection, as far as its attempt's proxy ends it."""

    quiet: int  # sweeps without a byte

    def end(self, grace: float) -> None: ...
    def abort(self) -> None: ...


class AttemptProxy:
    """One attempt on its way out: what it may do, what it used, which links it has."""

    def __init__(
        self,
        credentials: Credentials,
        meter: Meter,
        book: SiteCounters,
        reach: Dialer,
        limits: ProxyLimits,
        on_trip: Callable[[], None],
        on_spared: Callable[[str], None],
        guard: SiteThrottle | None = None,
        session: str = "",
    ) -> None:
        self.credentials = credentials
        self.meter = meter
        self.book = book
        self.reach = reach
        self.limits = limits
        self.guard = guard
        self.session = session
        self.links: set[OpenConnection] = set()
        self.doors: set[tuple[str, int]] = set()  # what our listeners are called from inside
        self._servers: list[asyncio.Server] = []
        self._listeners: list[socket.socket] = []
        self._on_spared = on_spared
        self._spared: set[str] = set()  # sites that were told of
        self._on_trip: Callable[[], None] | None = on_trip
        self._closed = False

    @property
    def shut(self) -> bool:
        """Whether no byte may pass any more."""
        return self._closed or self.meter.tripped

    async def listen(
        self, listener: socket.socket, connect: Callable[[AttemptProxy], asyncio.BaseProtocol]
    ) -> None:
        """Serve a listener, which is ours from now on. ``connect`` makes the protocol of each
        accepted connection.
        """
        listener.setblocking(False)
        self._listeners.append(listener)
        if listener.family == socket.AF_INET:
            address, port = listener.getsockname()
            self.doors.update((name, port) for name in (address, *OWN_NAMES))
        server = await asyncio.get_running_loop().create_server(
            lambda: connect(self), sock=listener, backlog=128
        )
        self._servers.append(server)

    def trip(self) -> None:
        """The limit is reached: end every link, letting out only what was counted already."""
        for link in list(self.links):
            link.end(self.limits.trip_grace)
        if self._on_trip is not None:
            told, self._on_trip = self._on_trip, None
            told()

    def spared(self, site: str, why: str) -> None:
        """A connection was refused to spare a site; tell of it once for each of the first few."""
        if site not in self._spared and len(self._spared) < _SITES_TOLD_OF:
            self._spared.add(site)
            self._on_spared(why)

    def stop(self, *, final: bool) -> None:
        """Cut every link. ``final`` also ends the listening sockets for whoever else holds them,
        so that the next connection is refused at once instead of waiting for nobody.
        """
        self._closed = True
        for listener in self._listeners:
            if final:
                with suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
        for server in self._servers:
            server.close()
        for link in list(self.links):
            link.abort()

    def sweep(self, rounds: int) -> None:
        """Cut the links that have moved nothing for ``rounds`` sweeps."""
        for link in list(self.links):
            link.quiet += 1
            if link.quiet > rounds:
                link.abort()
