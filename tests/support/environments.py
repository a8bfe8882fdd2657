"""Dependency environments, installed in sandboxes with a real egress."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fyke.contracts.execution import Environment
from fyke.egress.local import LocalEgress
from fyke.model.node import RunnableVersion
from fyke.sandbox.packages.environment import UvEnvironments
from fyke.sandbox.tools.runner import SandboxedTools
from integration.sandbox.sandboxes import SPAWNERS, SandboxSetup, sandbox_setup

ACCOUNT = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


@dataclass
class Workspace:
    """A data folder and the tools that install packages in it."""

    setup: SandboxSetup
    tools: SandboxedTools

    @property
    def root(self) -> Path:
        return self.setup.home / "cache" / "environments"

    @property
    def wheels(self) -> Path:
        """A folder of wheels that tools may read."""
        return self.setup.home / "wheels"

    def environments(self, environ: Mapping[str, str] | None = None, **options: Any) -> Installing:
        return Installing(UvEnvironments(self.root, self.tools, environ=environ, **options))

    def offline(self, **options: Any) -> Installing:
        """Environments from the folder of wheels only."""
        home = str(self.setup.home / "nobody")
        environ = {"UV_FIND_LINKS": str(self.wheels), "UV_OFFLINE": "1", "HOME": home}
        return self.environments(environ, **options)


@dataclass
class Installing:
    """Environments for one account by default."""

    made: UvEnvironments

    async def ensure(
        self,
        version: RunnableVersion,
        bundle: Path,
        account_id: str = ACCOUNT,
        builds: bool = False,
    ) -> Environment:
        return await self.made.ensure(version, bundle, account_id, builds)


@asynccontextmanager
async def open_workspace(kind: str = SPAWNERS[0]) -> AsyncIterator[Workspace]:
    """Open a data folder; its work folder must be empty at the end."""
    async with sandbox_setup(kind, with_wheels=True) as setup:
        egress = LocalEgress(own=tuple)
        try:
            yield Workspace(setup, SandboxedTools(setup.work, setup.spawner, egress))
        finally:
            await egress.stop()
