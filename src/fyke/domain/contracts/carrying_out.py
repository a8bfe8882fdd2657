"""Where attempts go, the walls around one, and its way out to the web."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from fyke.domain.contracts.run_stores import Lease, Room
from fyke.domain.workers.model import Version


class Engine(Protocol):
    """Decides where and when attempts go."""

    lease_seconds: float  # how long a lease holds without renewal

    async def take(self, runner_id: str, room: Room, *, idle: bool) -> list[Lease]:
        """Lease what fits; an empty list when nothing does. An ``idle`` runner also gets one
        attempt that is larger than its whole room, since nobody else would ever take it."""
        ...


class Isolation(StrEnum):
    """full: everything runs. no-limits: the operator's own Workers. none: nothing."""

    FULL = "full"
    NO_LIMITS = "no-limits"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class IsolationReport:
    """The level that holds, one sentence why, and every check with its finding."""

    level: Isolation
    reason: str
    checks: tuple[tuple[str, bool, str], ...]  # (name, passed, what was seen)


class EnvironmentFailed(Exception):
    """The dependencies could not be installed; ``log`` is what the installer said."""

    def __init__(self, message: str, log: str) -> None:
        super().__init__(message)
        self.log = log


@dataclass(frozen=True, slots=True)
class Environment:
    """A built set of dependencies, shared and read-only. ``path`` is mounted at ``/env``
    (Python) or ``/node_modules`` (Node.js); None when the language needs none.
    """

    path: Path | None
    log: str


class Environments(Protocol):
    """Builds an environment once per content and keeps it."""

    async def ensure(
        self, version: Version, bundle: Path, account_id: str, builds_allowed: bool
    ) -> Environment:
        """Raise ``EnvironmentFailed``. ``bundle`` is the unpacked project, ``account_id`` whose
        Worker it is, ``builds_allowed`` whether the packages may run code while they are
        installed, should the version ask for it.
        """
        ...


@dataclass(frozen=True, slots=True)
class BoxLimits:
    """Hard limits of one box. Sizes in bytes."""

    cpus: float
    memory: int
    processes: int = 128
    open_files: int = 1024
    file_size: int = 2 * 2**30
    tmp_size: int = 64 * 2**20
    work_size: int = 2 * 2**30


@dataclass(frozen=True, slots=True)
class BoxSpec:
    """What to put inside the walls."""

    name: str  # the attempt's id; also names its work folder and its cgroup
    version: Version
    bundle: Path
    environment: Environment
    limits: BoxLimits


@dataclass(frozen=True, slots=True)
class BoxExit:
    """How the Worker's main process ended. ``signal`` is 0 when it exited by itself."""

    code: int
    signal: int
    out_of_memory: bool


@dataclass(frozen=True, slots=True)
class BoxUsage:
    cpu_ms: int = 0
    memory_peak: int = 0
    work_bytes: int = 0
    memory: int = 0  # now


class SandboxFault(Exception):
    """The sandbox itself failed: ours, never the Worker's."""


class Box(Protocol):
    """The walls around one attempt, with a trusted process of ours waiting inside."""

    @property
    def listeners(self) -> dict[str, socket.socket]:
        """``sdk``, ``proxy``, ``proxy6000``, ``cdp`` and, where it can be had, ``cdp80``: listening
        sockets inside the box's own network namespace. The socket is the identity of the attempt.
        The receiver owns and closes them.
        """
        ...

    async def launch(self, env: dict[str, str]) -> None:
        """Turn the waiting process into the Worker. No code of its author ran before."""
        ...

    def output(self) -> AsyncIterator[tuple[str, bytes]]:
        """(``stdout`` or ``stderr``, some bytes) until both are closed. Must be drained."""
        ...

    async def apply_cpu_limit(self) -> None:
        """The cpu quota, after the boot grace."""
        ...

    async def wait(self) -> BoxExit: ...
    async def usage(self) -> BoxUsage: ...
    async def terminate(self) -> None:
        """Ask the Worker to end (SIGTERM)."""
        ...

    async def kill(self) -> None:
        """End everything inside, at once."""
        ...

    async def close(self) -> None:
        """Kill what is left, remove cgroup and work folder. Safe to repeat."""
        ...


class Sandbox(Protocol):
    async def probe(self) -> IsolationReport:
        """Put up a real box and see which walls hold."""
        ...

    async def open(self, spec: BoxSpec) -> Box:
        """Raise ``SandboxFault``."""
        ...

    async def sweep(self, living: frozenset[str]) -> list[str]:
        """Remove processes, cgroups and folders of boxes not named; return their names."""
        ...


@dataclass(frozen=True, slots=True)
class Pass:
    """What one attempt may do on its way out.

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
    guarded: bool = True  # whether the pace that target sites are spared with holds for it
    passwordless: bool = False  # HTTP without a password: for a box with a tool of ours alone


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes through the proxy, both ways, and what became of the connections."""

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
    """What one attempt had to do with one host name (or address), or with ``OTHER_SITES``.

    Over all sites of an attempt, bytes and requests add up to its ``Traffic``.
    """

    domain: str  # in lower case, A-labels, without a port
    requests: int = 0  # connections that stood; for plain HTTP that is one for each request
    bytes_up: int = 0
    bytes_down: int = 0
    failures: int = 0  # could not be reached: no address, no answer, the region's proxy failed
    refused: int = 0  # not let through: not public, not declared, or the site is being spared


class Egress(Protocol):
    """The way out. Runs as a process of its own; attempts are identified by their socket.

    ``on_trip`` is set by the runner: it is called once per attempt, with the attempt's id, at
    the moment its limit is reached. So is ``on_spared``: it gets one line as well, the first time
    that a connection is refused to spare a site, for ten sites of an attempt. Neither may block.
    """

    on_trip: Callable[[str], None]
    on_spared: Callable[[str, str], None]

    async def open(self, listeners: Sequence[socket.socket], grant: Pass) -> None:
        """Serve the listeners until closed. The caller may close its copies afterwards.

        Raise ``Unavailable`` when the proxy does not answer, ``ValueError`` for a malformed pass.
        """
        ...

    async def refuse_browser(
        self, attempt_id: str, listener: socket.socket, asked: Callable[[], None]
    ) -> None:
        """Answer every connection on the listener with 503 "this Fyke has no browser" until the
        attempt is closed, and call ``asked`` once, at the first of them. Comes after ``open``, once
        for each listener. The caller may close its copy afterwards.
        """
        ...

    def traffic(self, attempt_id: str) -> Traffic:
        """The counters as last heard, at most half a second old; zeros for an unknown id."""
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
