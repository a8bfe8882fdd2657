"""The sandbox and the dependencies of an attempt."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fyke.reasons import Detail, DetailCode, Reason, detail_sentence, sentence

if TYPE_CHECKING:  # the launcher imports this module and is small
    from fyke.model.node import EnvironmentPlace, RunnableVersion
    from fyke.model.worker import EnvironmentArchive, InstallFailure


class Isolation(StrEnum):
    """full: all Workers run. no-limits: only the operator's own. none: no Workers."""

    FULL = "full"
    NO_LIMITS = "no-limits"
    NONE = "none"


COMPLETE = "all isolation checks passed"  # the reason at level full; limitations are appended


@dataclass(frozen=True, slots=True)
class IsolationReport:
    """The isolation level of this machine, the reason as a sentence, and all checks."""

    level: Isolation
    reason: str
    checks: tuple[tuple[str, bool, str], ...]  # (name, passed, finding)


class EnvironmentFailed(Exception):
    """The dependencies could not be installed; ``log`` is the output of the installer."""

    def __init__(self, reason: Reason, log: str = "") -> None:
        super().__init__(sentence(reason))
        self.reason = reason
        self.log = log


class RegistryAway(EnvironmentFailed):
    """A package registry could not be reached, which is not a fault of the version."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Installed dependencies, shared and read-only. ``path`` is mounted at ``/env`` (Python) or
    ``/node_modules`` (Node.js); None when the language needs none. ``log`` is the output of the
    installer.
    """

    path: Path | None
    log: str
    warning: str = ""  # for the log of every run that uses it


class FetchEnvironment(Protocol):
    """``NodeFiles.environment`` for one owner."""

    async def __call__(self, keys: Sequence[str], target: Path) -> EnvironmentPlace: ...


class RefuseEnvironment(Protocol):
    """``EnvironmentPublishing.drop``."""

    async def __call__(self, digest: str, read_at: float) -> None: ...


class Environments(Protocol):
    """Installs each set of dependencies once and caches it."""

    def check_room(self) -> None:
        """Raise ``DiskShort`` when the disk has too little space for an environment that no run
        needs yet.
        """
        ...

    async def ensure(
        self,
        version: RunnableVersion,
        bundle: Path,
        account_id: str,
        builds_allowed: bool,
        fetch: FetchEnvironment | None = None,
        refuse: RefuseEnvironment | None = None,
    ) -> Environment:
        """Return the environment of a version; fetch it first if needed, or else install it. An
        archive with other files than it should have is refused with ``refuse``.
        ``bundle`` is the unpacked project, ``account_id`` the owner of the Worker,
        ``builds_allowed`` whether packages may run code during installation if the version requires
        it. Raise ``EnvironmentFailed``.
        """
        ...

    async def held(self) -> tuple[str, ...]:
        """The names (``environment_name``) of the environments that are ready on this machine, the
        last used first, at most ``MAX_ENVIRONMENTS``.
        """
        ...

    async def key(self, version: RunnableVersion, bundle: Path, account_id: str) -> str:
        """The key under which other machines may have the environment, which is ready; "" if it is
        for this machine only, or there is none.
        """
        ...

    async def failure_for_others(
        self, version: RunnableVersion, bundle: Path, account_id: str, failed: EnvironmentFailed
    ) -> InstallFailure | None:
        """What nodes get to know of an installation that ``ensure`` could not do here; None for
        what is only a matter of this machine, and for what may be over soon.
        """
        ...

    async def pack(
        self, version: RunnableVersion, bundle: Path, account_id: str, target: Path
    ) -> EnvironmentArchive | None:
        """Pack the environment, which is ready, to a file; None as for ``key``. Raise
        ``EnvironmentFailed`` if its files are not those that were installed or are too large, and
        ``DiskShort``.
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
    """The content and the limits of a sandbox."""

    name: str  # the attempt's id; also names its work folder and its cgroup
    owner: str  # the account of the Worker
    version: RunnableVersion
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
    """Memory and the content of the work folder in bytes; ``memory`` is the current use.
    ``limited_ms``: how long the Worker has had its whole share of the CPU, as far as it is known.
    """

    cpu_ms: int = 0
    memory_peak: int = 0
    work_bytes: int = 0
    memory: int = 0
    limited_ms: int = 0


@dataclass(frozen=True, slots=True)
class IdleSandboxes:
    """The sandboxes that wait for an attempt: how many, and the bytes of memory that they use."""

    count: int = 0
    memory: int = 0

    def __add__(self, other: IdleSandboxes) -> IdleSandboxes:
        return IdleSandboxes(self.count + other.count, self.memory + other.memory)


class SandboxFault(Exception):
    """The sandbox failed through no fault of the Worker."""

    @property
    def detail(self) -> Detail:
        """The cause, in a few words."""
        return Detail.of(DetailCode.SANDBOX_FAILED, problem=str(self))


class DiskShort(SandboxFault):
    """The disk of the work folders has less free space than a sandbox needs. Sizes in bytes."""

    def __init__(self, free: int, needed: int) -> None:
        self._detail = Detail.of(DetailCode.DISK_SHORT, free_bytes=free, needed_bytes=needed)
        super().__init__(detail_sentence(self._detail))

    @property
    def detail(self) -> Detail:
        return self._detail


class Sandbox(Protocol):
    """The isolation of one attempt. A trusted process of Fyke waits inside until ``launch``."""

    @property
    def listeners(self) -> dict[str, socket.socket]:
        """Listening sockets in the sandbox's network namespace: ``sdk``, ``proxy``, ``proxy6000``,
        ``cdp`` and, where port 80 can be bound, ``cdp80``. The socket identifies the attempt. They
        are closed with the sandbox.
        """
        ...

    async def launch(self, env: dict[str, str]) -> None:
        """Replace the waiting process with the Worker. None of its code runs before that."""
        ...

    def output(self) -> AsyncIterator[tuple[str, bytes]]:
        """Yield (``stdout`` or ``stderr``, bytes) until both are closed. The caller
        must drain it.
        """
        ...

    async def apply_cpu_limit(self) -> None:
        """Apply the CPU quota. The Worker starts without it."""
        ...

    async def wait(self) -> SandboxExit: ...
    async def usage(self) -> SandboxUsage: ...
    async def result_files(self) -> list[str]:
        """Describe files of the ended Worker that seem to have rows; at most five."""
        ...

    async def terminate(self) -> None:
        """Send SIGTERM to the Worker."""
        ...

    async def kill(self) -> None:
        """Kill all processes inside."""
        ...

    async def close(self) -> None:
        """Kill all processes, remove cgroup and work folder, close the listeners.
        Idempotent.
        """
        ...


class Sandboxes(Protocol):
    async def probe(self) -> IsolationReport:
        """Start a real sandbox and check its isolation."""
        ...

    async def check(self) -> None:
        """Raise ``SandboxFault`` when no sandbox could be opened now: without space on the disk, or
        with a launcher that does not answer.
        """
        ...

    async def open(self, spec: SandboxSpec) -> Sandbox:
        """Create a sandbox. Raise ``SandboxFault``."""
        ...

    async def idle_sandboxes(self) -> IdleSandboxes:
        """What waits for an attempt now. Takes at most about a second."""
        ...

    async def sweep(self, active: frozenset[str]) -> list[str]:
        """Remove processes, cgroups and folders of all sandboxes that are not in ``active``; return
        their names.
        """
        ...
