"""Git for the server: it runs in sandboxes, with a separate egress."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from fyke.contracts.execution import SandboxFault
from fyke.egress.local import LocalEgress
from fyke.git.fetch import SystemGit
from fyke.kit.addresses import AddressRules
from fyke.kit.interfaces import own_addresses
from fyke.sandbox.factory import BubblewrapSandboxes
from fyke.sandbox.isolation.cgroups import NoGroups
from fyke.sandbox.process.launcher_client import LauncherClient
from fyke.sandbox.process.spawner import DirectSpawner
from fyke.settings import Settings


@contextlib.asynccontextmanager
async def open_git(settings: Settings) -> AsyncIterator[SystemGit]:
    """Open Git, whose sandboxes the launcher starts if Fyke was started as root, else this process.

    Its egress differs from that of Workers: it has other exemptions and no regional proxies.
    """
    rules = AddressRules(settings.git_allow, own_addresses())
    egress = LocalEgress(rules)
    async with _sandbox(settings) as sandbox:
        git = SystemGit(sandbox.tools(egress), rules)
        try:
            yield git
        finally:
            git.close()
            await egress.stop()


@contextlib.asynccontextmanager
async def _sandbox(settings: Settings) -> AsyncIterator[BubblewrapSandboxes]:
    if settings.launcher or os.geteuid() == 0:
        client = LauncherClient(settings.launcher_socket)
        try:
            yield BubblewrapSandboxes(settings.work_dir, client)
        finally:
            await client.close()
        return
    work = _work_folder(settings)
    spawner = DirectSpawner(work, NoGroups("the runner has them"))
    try:
        with contextlib.suppress(SandboxFault):
            await spawner.sweep(frozenset())  # left by a server that was killed
        yield BubblewrapSandboxes(work, spawner)
    finally:
        spawner.close()


def _work_folder(settings: Settings) -> Path:
    """Not the folder of the runner, which removes all unknown work folders from it at its start."""
    folder = settings.scratch_dir / "git" / "work"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
