"""``BubblewrapSandbox``: boxes by the order, and a look at which walls hold on this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

from fyke.contracts import Box, BoxSpec, Egress, IsolationReport, SandboxFault
from fyke.sandbox import inspection
from fyke.sandbox.box import WalledBox
from fyke.sandbox.order import BadOrder, Order, check_name
from fyke.sandbox.plumbing import CellFailed
from fyke.sandbox.spawner import Spawner
from fyke.sandbox.tools import BoxedTools

LEAST_ROOM = 64 * 2**20  # on the disk of the work folders, or a Worker could not even unpack


class BubblewrapSandbox:
    """Implements ``Sandbox`` over whichever spawner fits the rights of this process."""

    def __init__(self, work_dir: Path, spawner: Spawner) -> None:
        """``work_dir`` is where the spawner makes the work folders; its free space is watched."""
        self._work_dir = work_dir
        self._spawner = spawner

    def tools(self, egress: Egress) -> BoxedTools:
        """Boxes of the same spawner for our own tools, which go out through ``egress``."""
        return BoxedTools(self._work_dir, self._spawner, egress)

    async def open(self, spec: BoxSpec) -> Box:
        limits = spec.limits
        try:
            order = Order(
                name=check_name(spec.name),
                kind=spec.version.language.value,
                bundle=spec.bundle,
                environment=spec.environment.path,
                cpus=limits.cpus,
                memory=limits.memory,
                processes=limits.processes,
                tmp_size=limits.tmp_size,
                work_size=limits.work_size,
            )
        except BadOrder as error:
            raise SandboxFault(str(error)) from error
        free = shutil.disk_usage(self._work_dir).free
        if free < LEAST_ROOM:
            raise SandboxFault(
                f"{free} bytes are free in {self._work_dir}, a box needs {LEAST_ROOM}: make room"
            )
        return WalledBox(await self._spawner.start(order), order, limits)

    async def sweep(self, living: frozenset[str]) -> list[str]:
        try:
            return await self._spawner.sweep(living)
        except CellFailed as error:
            raise SandboxFault(str(error)) from error

    async def probe(self) -> IsolationReport:
        return await inspection.inspect(self._spawner)
