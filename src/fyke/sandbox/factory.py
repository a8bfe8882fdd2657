"""``BubblewrapSandboxes``: starts sandboxes, and checks the isolation of this machine."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from fyke.contracts.browser import BrowserProgram
from fyke.contracts.egress import Egress
from fyke.contracts.execution import (
    IdleSandboxes,
    IsolationReport,
    SandboxFault,
    SandboxLimits,
    SandboxSpec,
)
from fyke.model.worker import Language
from fyke.sandbox.browsers import BrowserSandboxes
from fyke.sandbox.isolated import IsolatedSandbox
from fyke.sandbox.isolation import inspection
from fyke.sandbox.packages.environment_python import has_startup_code
from fyke.sandbox.process.folders import check_disk
from fyke.sandbox.process.order import BadLaunchOrder, LaunchOrder, check_name
from fyke.sandbox.process.process_io import SandboxStartFailed
from fyke.sandbox.process.spawner import Spawner
from fyke.sandbox.tools.runner import SandboxedTools

CHECK_SECONDS = 3.0
IDLE_MEMORY = 64 * 2**20  # the limit until an attempt is assigned; about 10 MiB are used


class BubblewrapSandboxes:
    """Implements ``Sandboxes`` with a ``Spawner``."""

    def __init__(self, work_dir: Path, spawner: Spawner) -> None:
        """``work_dir`` is where the spawner creates work folders; its free space is checked."""
        self._work_dir = work_dir
        self._spawner = spawner
        self._browsers: BrowserSandboxes | None = None

    def tools(self, egress: Egress) -> SandboxedTools:
        """Return a runner of tools in sandboxes of the same spawner, with ``egress`` as proxy."""
        return SandboxedTools(self._work_dir, self._spawner, egress)

    def browsers(self, program: BrowserProgram) -> BrowserSandboxes:
        """Return browsers in sandboxes of the same spawner; ``program`` is preferred. Its version
        is a variable of Workers that start a browser themselves.
        """
        self._browsers = BrowserSandboxes(self._work_dir, self._spawner, program)
        return self._browsers

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

    async def open(self, spec: SandboxSpec) -> IsolatedSandbox:
        return await self._start(await asyncio.to_thread(self._order, spec), spec.limits)

    async def open_idle(self, spec: SandboxSpec) -> IsolatedSandbox:
        """Start a sandbox for a later attempt like ``spec``, which ``assign`` gives it to. Raise
        ``SandboxFault``.
        """
        memory = min(IDLE_MEMORY, spec.limits.memory)
        order = replace(await asyncio.to_thread(self._order, spec), memory=memory, idle=True)
        return await self._start(order, spec.limits)

    def _order(self, spec: SandboxSpec) -> LaunchOrder:
        limits = spec.limits
        try:
            return LaunchOrder(
                name=check_name(spec.name),
                kind=spec.version.language.value,
                bundle=spec.bundle,
                environment=spec.environment.path,
                cpus=limits.cpus,
                memory=limits.memory,
                processes=limits.processes,
                tmp_size=limits.tmp_size,
                work_size=limits.work_size,
                interpreter=_starts_interpreter(spec),
            )
        except BadLaunchOrder as error:
            raise SandboxFault(str(error)) from error

    async def _start(self, order: LaunchOrder, limits: SandboxLimits) -> IsolatedSandbox:
        check_disk(self._work_dir)
        version = self._browsers.info().version if self._browsers is not None else ""
        return IsolatedSandbox(await self._spawner.start(order), order, limits, version)

    async def idle_sandboxes(self) -> IdleSandboxes:
        return IdleSandboxes()

    async def sweep(self, active: frozenset[str]) -> list[str]:
        try:
            return await self._spawner.sweep(active)
        except SandboxStartFailed as error:
            raise SandboxFault(str(error)) from error

    async def probe(self) -> IsolationReport:
        return await inspection.inspect(self._spawner)


def _starts_interpreter(spec: SandboxSpec) -> bool:
    """Whether the Worker's interpreter is the first process. It starts before the attempt, so the
    environment must have no code that runs at its start.
    """
    environment = spec.environment.path
    is_python = spec.version.language is Language.PYTHON
    return is_python and not (environment is not None and has_startup_code(environment))
