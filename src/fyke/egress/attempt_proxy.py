"""The proxy of one attempt: its listeners, its connections, and their common state."""

from __future__ import annotations

import asyncio
import os
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
from fyke.kit.inside_names import PROXY_NAMES

OWN_NAMES = ("localhost", *PROXY_NAMES)

_REPORTED_SITES = 10


class OpenConnection(Protocol):
    """The part of a connection that the attempt's proxy uses."""

    idle_sweeps: int  # sweeps without a byte
    counts: bool  # whether its bytes are counted

    def end(self, grace: float) -> None: ...
    def abort(self) -> None: ...


class AttemptProxy:
    """One attempt's credentials, limits, counters and open connections."""

    def __init__(
        self,
        credentials: Credentials,
        meter: Meter,
        sites: SiteCounters,
        dialer: Dialer,
        limits: ProxyLimits,
        on_trip: Callable[[], None],
        on_refused: Callable[[str], None],
        throttle: SiteThrottle | None = None,
        session: str = "",
    ) -> None:
        self.credentials = credentials
        self.meter = meter
        self.sites = sites
        self.dialer = dialer
        self.limits = limits
        self.throttle = throttle
        self.session = session
        self.connections: set[OpenConnection] = set()
        self.endpoints: set[tuple[str, int]] = set()  # names and ports of the proxy
        self.browser: int | None = None  # the address of its socket, see ``unnamed_socket``
        self._listeners: list[tuple[socket.socket, asyncio.Server]] = []
        self._on_refused = on_refused
        self._reported: set[str] = set()  # sites that were reported as throttled
        self._unresolved: set[str] = set()  # what was reported of names without an address
        self._browser_reported = False
        self._on_trip: Callable[[], None] | None = on_trip
        self._closed = False

    @property
    def is_closed(self) -> bool:
        """Whether no more bytes may pass."""
        return self._closed or self.meter.tripped

    async def listen(
        self, listener: socket.socket, connect: Callable[[], asyncio.BaseProtocol]
    ) -> None:
        """Serve and own a listener. ``connect`` makes the protocol of an accepted connection.

        Raise ``ValueError`` when the attempt was closed meanwhile; the listener is closed then.
        """
        listener.setblocking(False)
        server = await asyncio.get_running_loop().create_server(connect, sock=listener, backlog=128)
        if self._closed:
            _shut_down(listener)
            server.close()
            raise ValueError("the attempt was closed meanwhile")
        self._listeners.append((listener, server))

    def add_endpoint(self, listener: socket.socket) -> None:
        """Let connections through the proxy to the address of this listener restart their
        handshake."""
        if listener.family == socket.AF_INET:
            address, port = listener.getsockname()
            self.endpoints.update((name, port) for name in (address, *OWN_NAMES))

    def own_browser(self, address: int) -> None:
        """Let connections of the Worker to its browser lead to a copy of this address."""
        self.browser = os.dup(address)

    def remove(self, key: int) -> None:
        """Stop to serve the listener whose socket has this inode, if there is one."""
        for entry in list(self._listeners):
            listener, server = entry
            if listener_key(listener) == key:
                self._listeners.remove(entry)
                _shut_down(listener)
                server.close()

    def trip(self) -> None:
        """The limit is reached: end every connection once the bytes already counted are sent."""
        for connection in list(self.connections):
            connection.end(self.limits.trip_grace)
        if self._on_trip is not None:
            report, self._on_trip = self._on_trip, None
            report()

    def report_throttled(self, site: str, reason: str) -> None:
        """Report a site whose throttle refused a connection: once a site, at most ten sites."""
        if site not in self._reported and len(self._reported) < _REPORTED_SITES:
            self._reported.add(site)
            self._on_refused(reason)

    def report_unresolved(self, reason: str) -> None:
        """Report a name without an address, which many clients show as an error of the proxy: each
        once, at most ten.
        """
        if reason not in self._unresolved and len(self._unresolved) < _REPORTED_SITES:
            self._unresolved.add(reason)
            self._on_refused(reason)

    def report_browser(self, reason: str) -> None:
        """Report the first connection that the browser was refused: its page then shows the
        refusal, which a Worker can take for the page of the site.
        """
        if not self._browser_reported:
            self._browser_reported = True
            self._on_refused(f"{reason} (in the browser; further ones are only counted)")

    def stop(self, *, final: bool) -> None:
        """Cut every connection. ``final`` also shuts the listening sockets down in every process
        that has a copy, so that the next connection is refused at once.
        """
        self._closed = True
        if self.browser is not None:
            os.close(self.browser)
            self.browser = None
        for listener, server in self._listeners:
            if final:
                _shut_down(listener)
            server.close()
        for connection in list(self.connections):
            connection.abort()

    def sweep(self, rounds: int) -> None:
        """Cut the connections that have moved no byte for ``rounds`` sweeps. Those to the browser
        may be silent for longer: a Worker keeps one while its page does nothing.
        """
        for connection in list(self.connections):
            connection.idle_sweeps += connection.counts
            if connection.idle_sweeps > rounds:
                connection.abort()


def listener_key(listener: socket.socket) -> int:
    """The inode of a socket, which is the same in each process that has a copy."""
    return os.fstat(listener.fileno()).st_ino


def _shut_down(listener: socket.socket) -> None:
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
