"""Egress to the web for one attempt."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from fyke.model.attempt import SiteTraffic


@dataclass(frozen=True, slots=True)
class EgressGrant:
    """What one attempt may reach, and how much it may transfer.

    ``domains`` are the only reachable ones, as in ``fyke.kit.domains``; None allows all public
    ones, an empty tuple allows none. They do not exempt private addresses.
    """

    attempt_id: str
    secret: str  # the password of the proxy; the user name is the attempt's id
    region: str
    allow: tuple[str, ...] = ()  # private "host:port" that only this attempt may reach
    limit_bytes: int | None = None  # connections are cut at exactly this many bytes
    domains: tuple[str, ...] | None = None
    session: str = ""  # the run's id: all its attempts use the same sticky upstream
    guarded: bool = True  # whether target sites are throttled
    passwordless: bool = False  # HTTP without a password, for a sandbox that runs only our tools


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes through the proxy in both directions, and connections by outcome."""

    up: int = 0
    down: int = 0
    connections: int = 0
    refused: int = 0

    @property
    def total(self) -> int:
        return self.up + self.down


CHECK_SECONDS = 3.0
NO_BROWSER = "this Fyke has no browser"  # the answer on a browser port that is refused


class Egress(Protocol):
    """The egress proxy. It may run in another process; attempts are identified by their sockets.

    The runner sets two callbacks, which must not block. ``on_trip`` gets the attempt's id, once,
    when its limit is reached. ``on_refused`` gets the attempt's id and a message the first time
    that a connection to a site is refused to throttle it, or because its name has no address, for
    up to ten sites of an attempt each, and the first time that one of its browser is refused for
    any other reason.
    """

    on_trip: Callable[[str], None]
    on_refused: Callable[[str, str], None]

    async def check(self) -> None:
        """Raise ``Unavailable`` when the proxy does not answer within ``CHECK_SECONDS``."""
        ...

    async def open(
        self,
        listeners: Sequence[socket.socket],
        grant: EgressGrant,
        browser: int | None = None,
    ) -> None:
        """Serve the listeners until ``close``. The caller may close its copies afterwards.

        ``browser`` is the address of an unnamed socket (``fyke.kit.unnamed_socket``) that the
        attempt's browser port serves too. Connections of the Worker to the names of a browser
        (``fyke.kit.inside_names``) lead there, uncounted; without it, and from the browser, they
        are refused. The names never lead out of this machine.

        Raise ``Unavailable`` when the proxy does not answer, ``ValueError`` for a malformed grant.
        """
        ...

    async def refuse_browser(
        self, attempt_id: str, listener: socket.socket, on_connection: Callable[[], None]
    ) -> None:
        """Answer every connection on the listener with 503 "this Fyke has no browser" until the
        attempt is closed; call ``on_connection`` once, at the first connection. Call it after
        ``open``, once for each listener. The caller may close its copy afterwards.
        """
        ...

    async def add_listener(
        self, attempt_id: str, listener: socket.socket, *, passwordless: bool
    ) -> int:
        """Serve one more listener under the attempt's grant and counters, until it is removed or
        the attempt is closed; return its key. The caller may close its copy afterwards.

        ``passwordless``: HTTP needs no password on it, because the listener is reachable for
        nothing but the attempt's browser. A connection from it to the proxy's own address is
        refused as any internal one.

        Raise ``Unavailable`` as ``open`` does, ``ValueError`` for an attempt that is not open.
        """
        ...

    async def remove_listener(self, attempt_id: str, key: int) -> None:
        """Stop to serve an added listener and shut it down in every process that has a copy;
        its open connections go on. An unknown key is ignored.
        """
        ...

    def traffic(self, attempt_id: str) -> Traffic:
        """The counters of up to half a second ago; zeros for an unknown id."""
        ...

    def sites(self, attempt_id: str) -> tuple[SiteTraffic, ...]:
        """The same counters by site, at most 201, in the order of the first connection.

        Available after ``close`` for the last 256 attempts; empty for an unknown id.
        """
        ...

    def tripped(self, attempt_id: str) -> bool:
        """Whether the limit was reached."""
        ...

    async def close(self, attempt_id: str) -> Traffic:
        """Close all connections and return the final counters; zeros for an unknown id."""
        ...
