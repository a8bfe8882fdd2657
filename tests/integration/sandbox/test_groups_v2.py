"""A sandbox in a control group of version 2, also where that is mounted beside version 1 and has no
controllers.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fyke.sandbox.isolation.cgroup_v2 import GroupsV2, GroupV2
from fyke.sandbox.process.folders import WorkFolders
from fyke.sandbox.process.order import LaunchOrder
from fyke.sandbox.process.own_files import OwnFiles
from fyke.sandbox.process.sandbox_process import SandboxProcess
from fyke.sandbox.tools.tool_paths import ToolPaths
from integration.sandbox.sandboxes import ROOT, UID_BASE

pytestmark = pytest.mark.anyio

ORDER = LaunchOrder("A", "go", None, None, 1, 2**26, 8, 2**20, 2**20)


def _mounted() -> Path | None:
    fields = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    return next((Path(place) for _, place, kind, *_ in fields if kind == "cgroup2"), None)


MOUNTED = _mounted()


@pytest.fixture
def groups() -> Iterator[GroupsV2]:
    assert MOUNTED is not None
    groups = GroupsV2(MOUNTED / f"fyke-test-{os.getpid()}")
    groups.prepare()
    yield groups
    groups.close()


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that users of sandboxes can enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(not ROOT or MOUNTED is None, reason="needs root and a mounted cgroup2")
async def test_processes_are_moved_into_the_group_by_a_thread(
    groups: GroupsV2, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, threads = GroupV2.add, []

    def watched(group: GroupV2, pid: int) -> None:
        threads.append(threading.current_thread())
        add(group, pid)

    monkeypatch.setattr(GroupV2, "add", watched)
    folders, paths = WorkFolders(home / "work"), ToolPaths.at(home)
    own_files = OwnFiles(home, UID_BASE)
    sandbox = await SandboxProcess.start(ORDER, folders, groups, UID_BASE, paths, own_files)
    try:
        assert set(sandbox._pids) == set(sandbox.group.processes())
        assert len(threads) == 2 and threading.main_thread() not in threads
    finally:
        await sandbox.close()
        folders.close()
        paths.caches.close()
    assert groups.names() == []
