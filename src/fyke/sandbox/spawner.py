"""Who makes the processes: this process itself, or the launcher of root on its behalf.

``Spawner`` and ``Held`` are the seam between the two. ``DirectSpawner`` is for a plain user, who
may make user namespaces but has no rights to give away; ``LauncherClient`` speaks to the launcher.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from fyke.contracts import SandboxFault
from fyke.sandbox import leftovers
from fyke.sandbox.cell import Cell, CellExit, CellUsage, Ends
from fyke.sandbox.cgroup_files import Groups
from fyke.sandbox.cgroups import detect
from fyke.sandbox.folders import WorkFolders
from fyke.sandbox.order import Order
from fyke.sandbox.outside import Outside
from fyke.sandbox.plumbing import CellFailed
from fyke.sandbox.tool_places import ToolPlaces


class Held(Protocol):
    """A living box, wherever it was spawned. Methods raise ``CellFailed`` or ``SandboxFault``."""

    ends: Ends
    user: int

    @property
    def holds(self) -> frozenset[str]: ...
    async def wait(self) -> CellExit: ...
    async def usage(self) -> CellUsage: ...
    async def limit_cpu(self) -> None: ...
    async def look(self) -> Outside: ...
    async def terminate(self) -> None: ...
    async def kill(self) -> None: ...
    async def release(self) -> str:
        """End a tool and make its work folder ours to read. Only for tools; see ``Cell``."""
        ...

    async def close(self) -> None: ...


class Spawner(Protocol):
    async def start(self, order: Order) -> Held:
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
    should own nothing else. Root is refused: see ``Cell.start``.
    """

    def __init__(
        self, work_dir: Path, groups: Groups | None = None, shelves: Sequence[Path] = ()
    ) -> None:
        """``work_dir`` gets one folder per living box; ``groups`` are found when not given;
        ``shelves`` are folders of wheels that tools may read.
        """
        if os.geteuid() == 0:
            raise SandboxFault("user 0 spawns boxes through the launcher only")
        self._folders = WorkFolders(work_dir.absolute())
        self._groups = groups or detect(work_dir)
        self._places = ToolPlaces.at(work_dir.absolute().parent, shelves)
        self._held: dict[str, Cell] = {}

    async def start(self, order: Order) -> Held:
        try:
            cell = await Cell.start(order, self._folders, self._groups, None, self._places)
        except CellFailed as error:
            raise SandboxFault(str(error)) from error
        self._held[order.name] = cell
        return _Registered(cell, self._held)

    async def limits(self) -> tuple[str, str]:
        return self._groups.kind, self._groups.reason

    async def sweep(self, living: frozenset[str]) -> list[str]:
        return await leftovers.clear(self._folders, self._groups, living | self._held.keys())

    def close(self) -> None:
        """Give back what was made for all boxes; only once they are closed."""
        self._groups.close()
        self._folders.close()
        self._places.caches.close()


class _Registered:
    """A cell that leaves the register of its spawner when it is closed."""

    def __init__(self, cell: Cell, register: dict[str, Cell]) -> None:
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
