"""Who makes the processes: this process itself, or the launcher of root on its behalf.

``Spawner`` and ``SpawnedSandbox`` are the interface of both. ``DirectSpawner`` is for a plain user,
who may make user namespaces but has no rights to give away; ``LauncherClient`` calls the launcher.
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
from fyke.sandbox.process import cleanup as leftovers
from fyke.sandbox.process.folders import WorkFolders
from fyke.sandbox.process.order import LaunchOrder
from fyke.sandbox.process.process_io import SandboxStartFailed
from fyke.sandbox.process.sandbox_process import (
    ProcessExit,
    ProcessPipes,
    ProcessUsage,
    SandboxProcess,
)
from fyke.sandbox.tools.places import ToolPaths


class SpawnedSandbox(Protocol):
    """A running sandbox. Methods raise ``SandboxStartFailed`` or ``SandboxFault``."""

    ends: ProcessPipes
    user: int

    @property
    def holds(self) -> frozenset[str]: ...
    async def wait(self) -> ProcessExit: ...
    async def usage(self) -> ProcessUsage: ...
    async def limit_cpu(self) -> None: ...
    async def look(self) -> HostView: ...
    async def terminate(self) -> None: ...
    async def kill(self) -> None: ...
    async def release(self) -> str:
        """End a tool and make its work folder ours to read, see ``SandboxProcess``."""
        ...

    async def close(self) -> None: ...


class Spawner(Protocol):
    async def start(self, order: LaunchOrder) -> SpawnedSandbox:
        """Put up a box. Raise ``SandboxFault``."""
        ...

    async def limits(self) -> tuple[str, str]:
        """The kind of control groups (``v2``, ``v1``, ``none``), and why there is no better."""
        ...

    async def sweep(self, living: frozenset[str]) -> list[str]:
        """Remove what is left of boxes that are neither named nor held; return their names."""
        ...


class DirectSpawner:
    """Spawns boxes from this process, as the user that it runs as.

    All boxes share that user, so the namespaces are the only wall between them; the account
    should own nothing else. Root is refused: see ``SandboxProcess.start``.
    """

    def __init__(
        self, work_dir: Path, groups: ControlGroups | None = None, find_links: Sequence[Path] = ()
    ) -> None:
        """``work_dir`` gets one folder per living box; ``groups`` are found when not given;
        ``find_links`` are folders of wheels that tools may read.
        """
        if os.geteuid() == 0:
            raise SandboxFault("user 0 spawns boxes through the launcher only")
        self._folders = WorkFolders(work_dir.absolute())
        self._groups = groups or detect(work_dir)
        self._places = ToolPaths.at(work_dir.absolute().parent, find_links)
        self._held: dict[str, SandboxProcess] = {}

    async def start(self, order: LaunchOrder) -> SpawnedSandbox:
        try:
            cell = await SandboxProcess.start(
                order, self._folders, self._groups, None, self._places
            )
        except SandboxStartFailed as error:
            raise SandboxFault(str(error)) from error
        self._held[order.name] = cell
        return _Registered(cell, self._held)

    async def limits(self) -> tuple[str, str]:
        return self._groups.kind, self._groups.reason

    async def sweep(self, living: frozenset[str]) -> list[str]:
        return await leftovers.remove_leftovers(
            self._folders, self._groups, living | self._held.keys()
        )

    def close(self) -> None:
        """Give back what was made for all boxes; only once they are closed."""
        self._groups.close()
        self._folders.close()
        self._places.caches.close()


class _Registered:
    """A cell that leaves the register of its spawner when it is closed."""

    def __init__(self, cell: SandboxProcess, register: dict[str, SandboxProcess]) -> None:
        self.ends = cell.ends
        self.user = cell.user
        self.wait = cell.wait
        self.usage = cell.usage
        self.limit_cpu = cell.limit_cpu
        self.look = cell.look
        self.terminate = cell.terminate
        self.kill = cell.kill
        self._cell = cell
        self._register = register

    @property
    def holds(self) -> frozenset[str]:
        return self._cell.holds

    async def release(self) -> str:
        return await self._cell.release(None)

    async def close(self) -> None:
        await self._cell.close()
        self._register.pop(self._cell.order.name, None)
