"""Removes what sandboxes leave behind in a crash: processes, then control groups, then folders."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping

from fyke.sandbox.isolation.cgroup_files import ControlGroups, remove
from fyke.sandbox.isolation.cgroups import abandoned_groups
from fyke.sandbox.process import processes
from fyke.sandbox.process.folders import WorkFolders
from fyke.sandbox.process.process_io import SandboxStartFailed
from fyke.sandbox.process.sandbox_process import END_SECONDS, remove_group


async def remove_stale(
    folders: WorkFolders, groups: ControlGroups, keep: Callable[[], frozenset[str]]
) -> list[str]:
    """Remove every sandbox whose name is not among those of ``keep``; return the names, sorted.
    Also remove the empty control groups of installations whose launcher was killed.

    ``keep`` is called when the names are read: one that starts meanwhile must not be taken for one
    that was left behind. A copy of the data folder has the names of the sandboxes that ran when it
    was copied: their processes are those of the other installation, and are left alone.
    """
    await asyncio.to_thread(_remove_abandoned_groups)
    names = frozenset(folders.names()) | frozenset(groups.names())
    stale = names - keep()
    if not stale:
        return []
    await _end_processes(stale, folders.places(stale))
    for name in sorted(stale):
        group = groups.find(name)
        group.kill()
        await remove_group(group)
        await asyncio.to_thread(folders.remove, name)
    return sorted(stale)


def _remove_abandoned_groups() -> None:
    for group in abandoned_groups():
        remove(group)


async def _end_processes(names: frozenset[str], places: Mapping[str, tuple[int, int]]) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + END_SECONDS
    while pids_by_name := await asyncio.to_thread(processes.with_work_folders, names, places):
        if loop.time() > deadline:
            raise SandboxStartFailed(f"processes of ended sandboxes do not end: {pids_by_name}")
        for pids in pids_by_name.values():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.005)
