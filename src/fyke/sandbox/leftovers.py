"""Clearing away what a crash left behind: processes first, then control groups, then folders."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

from fyke.sandbox import processes
from fyke.sandbox.cell import END_SECONDS, remove_group
from fyke.sandbox.cgroup_files import Groups
from fyke.sandbox.folders import WorkFolders
from fyke.sandbox.plumbing import CellFailed


async def clear(folders: WorkFolders, groups: Groups, keep: frozenset[str]) -> list[str]:
    """Remove every box whose name is not in ``keep``; return the names, sorted."""
    names = frozenset(folders.names()) | frozenset(groups.names())
    over = names - keep
    if not over:
        return []
    await _end_processes(over)
    for name in sorted(over):
        group = groups.find(name)
        group.kill()
        await remove_group(group)
        await asyncio.to_thread(folders.remove, name)
    return sorted(over)


async def _end_processes(names: frozenset[str]) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + END_SECONDS
    while found := await asyncio.to_thread(processes.with_work_folders, names):
        if loop.time() > deadline:
            raise CellFailed(f"processes of ended boxes do not end: {found}")
        for pids in found.values():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.005)
