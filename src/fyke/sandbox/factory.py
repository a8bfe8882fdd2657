"""``BubblewrapSandboxes``: starts sandboxes, and checks the isolation of this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fyke.contracts.egress import Egress
from fyke.contracts.execution import IsolationReport, Sandbox, SandboxFault, SandboxSpec
from fyke.sandbox.isolated import IsolatedSandbox
from fyke.sandbox.isolation import inspection
from fyke.sandbox.process.folders import check_disk
from fyke.sandbox.process.order import BadLaunchOrder, LaunchOrder, check_name
from fyke.sandbox.process.process_io import SandboxStartFailed
from fyke.sandbox.process.spawner import Spawner
from fyke.sandbox.tools.runner import SandboxedTools

CHECK_SECONDS = 3.0


class BubblewrapSandboxes:
    """Implements ``Sandboxes`` with a ``Spawner``."""

    def __init__(self, work_dir: Path, spawner: Spawner) -> None:
        """``work_dir`` is where the spawner creates work folders; its free space is checked."""
        self._work_dir = work_dir
        self._spawner = spawner

    def tools(self, egress: Egress) -> SandboxedTools:
        """Return a runner of tools in sandboxes of the same spawner, with ``egress`` as proxy."""
        return SandboxedTools(self._work_dir, self._spawner, egress)

    def stop_waiting(self) -> None:
        """Do not wait for the restart of a launcher any more; this process is ending."""
        self._spawner.stop_waiting()

    async def check(self) -> None:
        check_disk(self._work_dir)
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._spawner.limits()
        except TimeoutError:
            raise SandboxFault("the launcher does not answer") from None

    async def open(self, spec: SandboxSpec) -> Sandbox:
        limits = spec.limits
        try:
            order = LaunchOrder(
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
        except BadLaunchOrder as error:
            raise SandboxFault(str(error)) from error
        check_disk(self._work_dir)
        return IsolatedSandbox(await self._spawner.start(order), order, limits)

    async def sweep(self, active: frozenset[str]) -> list[str]:
        try:
            return await self._spawner.sweep(active)
        except SandboxStartFailed as error:
            raise SandboxFault(str(error)) from error

    async def probe(self) -> IsolationReport:
        return await inspection.inspect(self._spawner)
