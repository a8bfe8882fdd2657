"""Egress to the web for one attempt."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class EgressGrant:
    """What one attempt may reach, and how much it may transfer.

    ``domains`` are the only ones that may be reached, in the forms of ``fyke.kit.domains``; None
    is all, an empty tuple none. They narrow what is public, and exempt nothing from it.
    """

    attempt_id: str
    secret: str  # user name is the attempt's id
    region: str
    allow: tuple[str, ...] = ()  # "host:port" reachable although private, for this attempt only
    limit_bytes: int | None = None  # cut off exactly here
    domains: tuple[str, ...] | None = None
    session: str = ""  # what a sticky choice of upstream is keyed by: the run's id
    guarded: bool = True  # whether the throttle of target sites applies
    passwordless: bool = False  # HTTP without a password: for a sandbox with only a tool of ours


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


OTHER_SITES = "(other)"  # what the sites beyond the first 200 of an attempt are counted under


@dataclass(frozen=True, slots=True)
class SiteTraffic:
    """The traffic of one attempt with one host name (or address), or with ``OTHER_SITES``.

    Over all sites of an attempt, bytes and requests add up to its ``Traffic``.
    """

    domain: str  # in lower case, A-labels, without a port
    requests: int = 0  # connections established; for plain HTTP one for each request
    bytes_up: int = 0
    bytes_down: int = 0
    failures: int = 0  # could not be reached: no address, no answer, the region's proxy failed
    refused: int = 0  # refused: not public, not declared, or the site is being throttled


class Egress(Protocol):
    """The egress proxy. Runs as a process of its own; attempts are identified by their socket.

    ``on_trip`` is set by the runner: it is called once per attempt, with the attempt's id, at
    the moment its limit is reached. So is ``on_throttled``: it also gets one line, the
    first time that a site's throttle refuses a connection, for ten sites of an attempt. Neither
    may block.
    """

    on_trip: Callable[[str], None]
    on_throttled: Callable[[str, str], None]

    async def open(self, listeners: Sequence[socket.socket], grant: EgressGrant) -> None:
        """Serve the listeners until closed. The caller may close its copies afterwards.

        Raise ``Unavailable`` when the proxy does not answer, ``ValueError`` for a malformed grant.
        """
        ...

    async def refuse_browser(
        self, attempt_id: str, listener: socket.socket, on_connection: Callable[[], None]
    ) -> None:
        """Answer every connection on the listener with 503 "this Fyke has no browser" until the
        attempt is closed, and call ``on_connection`` once, at the first of them. Called after
        ``open``, once for each listener. The caller may close its copy afterwards.
        """
        ...

    def traffic(self, attempt_id: str) -> Traffic:
        """The counters, at most half a second old; zeros for an unknown id."""
        ...

    def sites(self, attempt_id: str) -> tuple[SiteTraffic, ...]:
        """The same counters by site, at most 201, in the order of the first connection.

        Still there after ``close``, for the last 256 attempts; empty for an unknown id.
        """
        ...

    def tripped(self, attempt_id: str) -> bool:
        """Whether the limit was reached."""
        ...

    async def close(self, attempt_id: str) -> Traffic:
        """Cut every connection and return the final counters; zeros for an unknown id."""
        ...
