"""Where attempts run, and the sandbox and dependencies of each."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from fyke.model.runner import Capacity, Lease
from fyke.model.worker import Version
from fyke.reasons import Reason, sentence


class Engine(Protocol):
    """Decides where and when attempts run."""

    lease_seconds: float  # how long a lease is valid without renewal

    async def take(self, runner_id: str, room: Capacity, *, idle: bool) -> list[Lease]:
        """Lease what fits; an empty list when nothing does. An ``idle`` runner also gets one
        attempt that is larger than its whole capacity, since no other runner would take it."""
        ...


class Isolation(StrEnum):
    """full: everything runs. no-limits: the operator's own Workers. none: nothing."""

    FULL = "full"
    NO_LIMITS = "no-limits"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class IsolationReport:
    """The isolation level of this machine, one sentence why, and every check with its finding."""

    level: Isolation
    reason: str
    checks: tuple[tuple[str, bool, str], ...]  # (name, passed, finding)


class EnvironmentFailed(Exception):
    """The dependencies could not be installed; ``log`` is the output of the installer."""

    def __init__(self, reason: Reason, log: str = "") -> None:
        super().__init__(sentence(reason))
        self.reason = reason
        self.log = log


@dataclass(frozen=True, slots=True)
class Environment:
    """A built set of dependencies, shared and read-only. ``path`` is mounted at ``/env``
    (Python) or ``/node_modules`` (Node.js); None when the language needs none.
    """

    path: Path | None
    log: str
    warning: str = ""  # for the log of every run that uses it


class Environments(Protocol):
    """Builds an environment once per content and keeps it."""

    async def ensure(
        self, version: Version, bundle: Path, account_id: str, builds_allowed: bool
    ) -> Environment:
        """Raise ``EnvironmentFailed``. ``bundle`` is the unpacked project, ``account_id`` the owner
        of the Worker, ``builds_allowed`` whether packages may run code during installation when
        the version asks for it.
        """
        ...


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """Hard limits of one sandbox. Sizes in bytes."""

    cpus: float
    memory: int
    processes: int = 128
    open_files: int = 1024
    file_size: int = 2 * 2**30
    tmp_size: int = 64 * 2**20
    work_size: int = 2 * 2**30


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """What to put into a sandbox."""

    name: str  # the attempt's id; also names its work folder and its cgroup
    version: Version
    bundle: Path
    environment: Environment
    limits: SandboxLimits


@dataclass(frozen=True, slots=True)
class SandboxExit:
    """How the Worker's main process ended. ``signal`` is 0 when it exited on its own."""

    code: int
    signal: int
    out_of_memory: bool


@dataclass(frozen=True, slots=True)
class SandboxUsage:
    cpu_ms: int = 0
    memory_peak: int = 0
    work_bytes: int = 0
    memory: int = 0  # now


class SandboxFault(Exception):
    """The sandbox itself failed, which is never the Worker's fault."""


class Sandbox(Protocol):
    """The isolation of one attempt, with a trusted process of Fyke waiting inside."""

    @property
    def listeners(self) -> dict[str, socket.socket]:
        """``sdk``, ``proxy``, ``proxy6000``, ``cdp`` and, where it can be had, ``cdp80``: listening
        sockets inside the sandbox's network namespace. The socket identifies the attempt.
        They close with the sandbox.
        """
        ...

    async def launch(self, env: dict[str, str]) -> None:
        """Turn the waiting process into the Worker. No code of its author runs before."""
        ...

    def output(self) -> AsyncIterator[tuple[str, bytes]]:
        """Yield (``stdout`` or ``stderr``, bytes) until both are closed. Must be drained."""
        ...

    async def apply_cpu_limit(self) -> None:
        """Apply the CPU quota, which does not apply while the Worker starts."""
        ...

    async def wait(self) -> SandboxExit: ...
    async def usage(self) -> SandboxUsage: ...
    async def terminate(self) -> None:
        """Ask the Worker to end (SIGTERM)."""
        ...

    async def kill(self) -> None:
        """End everything inside, at once."""
        ...

    async def close(self) -> None:
        """Kill what is left, remove cgroup and work folder, close the listeners. Safe to repeat."""
        ...


class Sandboxes(Protocol):
    async def probe(self) -> IsolationReport:
        """Start a real sandbox and check its isolation."""
        ...

    async def open(self, spec: SandboxSpec) -> Sandbox:
        """Raise ``SandboxFault``."""
        ...

    async def sweep(self, living: frozenset[str]) -> list[str]:
        """Remove processes, cgroups and folders of all other sandboxes; return their names."""
        ...
