"""Spawns sandboxes, either from this process or through the launcher, which runs as root.

``Spawner`` and ``SpawnedSandbox`` are the interface of both. ``DirectSpawner`` is for an ordinary
user, who may make user namespaces but cannot change users; ``LauncherClient`` calls the launcher.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from fyke.contracts.execution import SandboxFault
from fyke.sandbox.isolation.cgroup_files import ControlGroups
from fyke.sandbox.isolation.cgroups import detect
from fyke.sandbox.isolation.host_inspection import HostView
from fyke.sandbox.process import cleanup
from fyke.sandbox.process.folders import WorkFolders
from fyke.sandbox.process.order import Assignment, LaunchOrder
from fyke.sandbox.process.own_files import OwnFiles
from fyke.sandbox.process.process_io import SandboxStartFailed
from fyke.sandbox.process.sandbox_process import (
    ProcessExit,
    ProcessPipes,
    ProcessUsage,
    SandboxProcess,
)
from fyke.sandbox.process.saved_caches import SavedCaches
from fyke.sandbox.tools.tool_paths import ToolPaths


class SpawnedSandbox(Protocol):
    """A running sandbox. Methods raise ``SandboxStartFailed`` or ``SandboxFault``."""

    ends: ProcessPipes
    user: int
    cached: int  # bytes of the saved HTTP cache that a browser starts with

    @property
    def enforced(self) -> frozenset[str]: ...
    async def wait(self) -> ProcessExit: ...
    async def usage(self) -> ProcessUsage: ...
    async def result_files(self) -> list[str]: ...
    async def assign(self, assignment: Assignment) -> None:
        """Give an idle sandbox to an attempt, with its limits."""
        ...

    async def limit_cpu(self) -> None: ...
    async def observe(self) -> HostView: ...
    async def terminate(self) -> None: ...
    async def kill(self) -> None: ...
    async def release(self) -> str:
        """End a tool and make its work folder readable for us, see ``SandboxProcess``."""
        ...

    async def save_cache(self, limit: int) -> int:
        """End a browser and save its HTTP cache, see ``SandboxProcess``."""
        ...

    async def close(self) -> None: ...


class Spawner(Protocol):
    async def start(self, order: LaunchOrder) -> SpawnedSandbox:
        """Start a sandbox. Raise ``SandboxFault``."""
        ...

    def stop_waiting(self) -> None:
        """Do not wait for the restart of a launcher any more; this process is ending."""
        ...

    async def limits(self) -> tuple[str, str]:
        """The kind of control groups (``v2``, ``v1``, ``none``), and why no better kind is used."""
        ...

    async def sweep(self, active: frozenset[str]) -> list[str]:
        """Remove the remains of sandboxes that neither run here nor are in ``active``; return their
        names.
        """
        ...

    async def drop_cache(self, name: str) -> None:
        """Remove the saved HTTP cache of that name, if there is one."""
        ...


class DirectSpawner:
    """Spawns sandboxes from this process, as the user that it runs as.

    All sandboxes share that user, so only the namespaces isolate them from each other, and the user
    should own nothing else. Root is refused, see ``SandboxProcess.start``.
    """

    def __init__(
        self, work_dir: Path, groups: ControlGroups | None = None, find_links: Sequence[Path] = ()
    ) -> None:
        """``work_dir`` gets one folder per running sandbox; ``groups`` are detected by default;
        ``find_links`` are folders of wheels that tools may read.
        """
        if os.geteuid() == 0:
            raise SandboxFault("user 0 spawns sandboxes through the launcher only")
        self._folders = WorkFolders(work_dir.absolute())
        self._groups = groups or detect(work_dir)
        self._tool_paths = ToolPaths.at(work_dir.absolute().parent, find_links)
        self._own_files = OwnFiles(work_dir.absolute().parent, None)
        self._saved_caches = SavedCaches(self._folders.root)
        self._names: set[str] = set()  # of sandboxes that run or start

    async def start(self, order: LaunchOrder) -> SpawnedSandbox:
        if order.name in self._names:
            raise SandboxFault(f"name {order.name}: a sandbox of this name already exists")
        self._names.add(order.name)
        try:
            sandbox = await SandboxProcess.start(
                order,
                self._folders,
                self._groups,
                None,
                self._tool_paths,
                self._own_files,
                self._saved_caches,
            )
        except BaseException as error:
            self._names.discard(order.name)
            if isinstance(error, SandboxStartFailed):
                raise SandboxFault(str(error)) from error
            raise
        return _TrackedSandbox(sandbox, self._names)

    def stop_waiting(self) -> None:
        """Do nothing: there is no launcher."""

    async def limits(self) -> tuple[str, str]:
        return self._groups.kind, self._groups.reason

    async def sweep(self, active: frozenset[str]) -> list[str]:
        return await cleanup.remove_stale(self._folders, self._groups, lambda: active | self._names)

    async def drop_cache(self, name: str) -> None:
        self._saved_caches.drop(name)

    def close(self) -> None:
        """Release the folders and groups; only after all sandboxes are closed."""
        self._saved_caches.close()
        self._groups.close()
        self._folders.close()
        self._tool_paths.caches.close()


class _TrackedSandbox:
    """A sandbox whose name is removed from ``names`` when it is closed."""

    def __init__(self, sandbox: SandboxProcess, names: set[str]) -> None:
        self.ends = sandbox.ends
        self.user = sandbox.user
        self.cached = sandbox.cached
        self.wait = sandbox.wait
        self.usage = sandbox.usage
        self.result_files = sandbox.result_files
        self.limit_cpu = sandbox.limit_cpu
        self.observe = sandbox.observe
        self.terminate = sandbox.terminate
        self.kill = sandbox.kill
        self.save_cache = sandbox.save_cache
        self._sandbox = sandbox
        self._names = names

    @property
    def enforced(self) -> frozenset[str]:
        return self._sandbox.enforced

    async def assign(self, assignment: Assignment) -> None:
        self._sandbox.assign(assignment)

    async def release(self) -> str:
        return await self._sandbox.release(None)

    async def close(self) -> None:
        await self._sandbox.close()
        self._names.discard(self._sandbox.order.name)
