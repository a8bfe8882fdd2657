"""Starting, measuring and ending a sandbox, with a plain process instead of its inside."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE

import pytest

from fyke.sandbox.isolation import bubblewrap, bytecode
from fyke.sandbox.isolation.cgroup_v2 import GroupsV2, GroupV2
from fyke.sandbox.isolation.cgroups import NoGroup, NoGroups
from fyke.sandbox.process import process_io, sandbox_process
from fyke.sandbox.process.folders import WorkFolders
from fyke.sandbox.process.order import Assignment, LaunchOrder
from fyke.sandbox.process.own_files import OwnFiles
from fyke.sandbox.process.process_io import SandboxStartFailed
from fyke.sandbox.process.sandbox_process import (
    HIDDEN_CHECKS,
    ProcessExit,
    ProcessUsage,
    SandboxProcess,
    remove_group,
)
from fyke.sandbox.process.saved_caches import FOLDER, SavedCaches
from fyke.sandbox.tools.tool_paths import ToolPaths
from support.cache_entries import PUBLIC, entry

pytestmark = pytest.mark.anyio

UID = 31_000 if os.geteuid() == 0 else None
ORDER = LaunchOrder("A", "go", None, None, 1, 2**26, 8, 2**20, 2**20)
TOOL = replace(ORDER, kind="npm")
GROUPS = NoGroups("none here")


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[WorkFolders]:
    work_folders = WorkFolders(tmp_path / "work")
    yield work_folders
    work_folders.close()


@pytest.fixture
def tool_paths(tmp_path: Path) -> Iterator[ToolPaths]:
    paths = ToolPaths.at(tmp_path)
    yield paths
    paths.caches.close()


@pytest.fixture
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OwnFiles:
    with monkeypatch.context() as patch:
        patch.setattr(bubblewrap, "PROGRAM", "/bin/false")
        return OwnFiles(tmp_path, UID)


def running(
    folders: WorkFolders, order: LaunchOrder = ORDER, group: GroupV2 | None = None
) -> SandboxProcess:
    """A sandbox whose only process waits for the end of its input."""
    if order.name not in folders.names():
        folders.create(order.name, None)
    sandbox = SandboxProcess(order, folders, group or GROUPS.create("A", 1, 1))
    process = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
    sandbox._process = process
    sandbox._first, sandbox._main = os.pidfd_open(process.pid), os.pidfd_open(process.pid)
    sandbox._exited = process_io.watch_exit(process)
    return sandbox


# A process of its own, since other open files of the tests' process would count as well.
PASSER = """
import os, socket, sys
left, right = socket.socketpair()
for line in sys.stdin:
    if line == "send\\n":
        socket.send_fds(left, [b"x"], [0])
    else:
        os.close(socket.recv_fds(right, 1, 1)[1][0])
    print(line, end="", flush=True)
"""


@contextmanager
def descriptor_passer() -> Iterator[tuple[int, Callable[[str], None]]]:
    """The id of a process, and what makes it ``send`` itself a descriptor or ``receive`` it."""
    words = [sys.executable, "-c", PASSER]
    with subprocess.Popen(words, stdin=PIPE, stdout=PIPE, text=True) as process:
        commands, answers = process.stdin, process.stdout
        assert commands
        assert answers

        def command(name: str) -> None:
            commands.write(name + "\n")
            commands.flush()
            assert answers.readline() == name + "\n"

        yield process.pid, command


# --- start


async def test_nothing_is_compiled_in_the_thread_that_starts_processes(
    folders: WorkFolders,
    tool_paths: ToolPaths,
    own_files: OwnFiles,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(bytecode, "INTERPRETER", str(program))
    started: list[object] = []
    monkeypatch.setattr(process_io, "start", lambda *arguments: started.append(arguments))
    with pytest.raises(SandboxStartFailed, match=r"shim\.py cannot be compiled"):
        await SandboxProcess.start(ORDER, folders, GROUPS, UID, tool_paths, own_files)
    assert started == [] and folders.names() == []


async def test_a_sandbox_never_runs_as_root(
    folders: WorkFolders, tool_paths: ToolPaths, own_files: OwnFiles
) -> None:
    with pytest.raises(SandboxStartFailed, match="never runs as user 0"):
        await SandboxProcess.start(ORDER, folders, GROUPS, 0, tool_paths, own_files)
    assert folders.names() == []


async def test_a_start_with_a_name_in_use_fails(
    folders: WorkFolders, tool_paths: ToolPaths, own_files: OwnFiles
) -> None:
    folders.create("A", None)
    with pytest.raises(SandboxStartFailed, match="cannot create the work folder"):
        await SandboxProcess.start(ORDER, folders, GROUPS, UID, tool_paths, own_files)
    assert folders.names() == ["A"]


async def test_a_start_without_a_control_group_removes_the_folder(
    tmp_path: Path, folders: WorkFolders, tool_paths: ToolPaths, own_files: OwnFiles
) -> None:
    groups = GroupsV2(tmp_path / "none" / "fyke")
    with pytest.raises(SandboxStartFailed, match="cannot create the control group"):
        await SandboxProcess.start(ORDER, folders, groups, UID, tool_paths, own_files)
    assert folders.names() == []


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("/nonexistent/bwrap", "cannot start /nonexistent/bwrap"),
        ("/bin/false", "the sandbox did not start: /bin/false ended without an error message"),
        ("/bin/ls", "the sandbox did not start: /bin/ls: .*--args"),
    ],
)
async def test_a_start_that_fails_names_the_cause_and_removes_everything(
    monkeypatch: pytest.MonkeyPatch,
    folders: WorkFolders,
    tool_paths: ToolPaths,
    own_files: OwnFiles,
    program: str,
    message: str,
) -> None:
    monkeypatch.setattr(bubblewrap, "PROGRAM", program)
    await asyncio.to_thread(int)  # the first thread opens descriptors that stay open
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(SandboxStartFailed, match=message):
        await SandboxProcess.start(ORDER, folders, GROUPS, UID, tool_paths, own_files)
    assert folders.names() == []
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_tool_gets_a_temporary_cache_while_its_cache_is_in_use(
    folders: WorkFolders, tool_paths: ToolPaths, own_files: OwnFiles
) -> None:
    """A temporary cache is in the work folder, so its downloads count as work."""
    layouts = []
    sandboxes = []
    for name, cache in (("A", "ONE-NPM"), ("B", "ONE-NPM"), ("C", "")):
        order = replace(TOOL, name=name, cache=cache)
        work = folders.create(name, None)
        sandbox = SandboxProcess(order, folders, GROUPS.create(name, 1, 1))
        layouts.append(sandbox._layout(work, None, tool_paths, own_files))
        sandboxes.append(sandbox)
    assert [layout.cache for layout in layouts] == [
        tool_paths.caches.root / "ONE-NPM",
        folders.root / "B" / ".cache",
        folders.root / "C" / ".cache",
    ]
    assert sandboxes[0]._cache is not None
    tool_paths.caches.release(sandboxes[0]._cache)


def test_a_worker_gets_no_cache(
    folders: WorkFolders, tool_paths: ToolPaths, own_files: OwnFiles
) -> None:
    sandbox = SandboxProcess(ORDER, folders, GROUPS.create("A", 1, 1))
    layout = sandbox._layout(folders.create("A", None), None, tool_paths, own_files)
    assert (layout.cache, layout.extras) == (None, ())


# --- running


async def test_only_the_sandbox_of_the_inspector_can_be_inspected(folders: WorkFolders) -> None:
    sandbox = running(folders)
    with pytest.raises(SandboxStartFailed, match="only a running sandbox of the inspector"):
        await sandbox.observe()
    await sandbox.close()


async def test_a_signal_is_reported_as_in_a_shell(tmp_path: Path, folders: WorkFolders) -> None:
    group = GroupV2(tmp_path, frozenset({"memory"}))
    sandbox = running(folders, group=group)
    await sandbox.terminate()
    assert await sandbox.wait() == ProcessExit(128 + 15, False)
    (tmp_path / "memory.events").write_text("oom_kill 1\n")
    assert (await sandbox.wait()).out_of_memory
    sandbox.group = GROUPS.create("A", 1, 1)
    await sandbox.close()


@pytest.mark.slow
async def test_without_control_groups_the_memory_limit_is_enforced_by_the_watch(
    folders: WorkFolders,
) -> None:
    sandbox = running(folders, replace(ORDER, memory=1))
    await sandbox._watch_memory()
    assert await sandbox.wait() == ProcessExit(128 + 9, True)
    assert (await sandbox.usage()).memory_peak > 0
    await sandbox.close()


async def test_the_work_of_a_tool_includes_its_cache(
    folders: WorkFolders, tool_paths: ToolPaths
) -> None:
    sandbox = running(folders, replace(TOOL, cache="ONE-NPM"))
    (folders.root / "A" / "file").write_bytes(bytes(100_000))
    alone = (await sandbox.usage()).work_bytes
    sandbox._cache = tool_paths.cache_of(sandbox.order, None)
    assert sandbox._cache is not None
    (sandbox._cache.path / "file").write_bytes(bytes(200_000))
    both = (await sandbox.usage()).work_bytes
    assert 100_000 <= alone < 150_000
    assert both >= alone + 200_000
    await sandbox.close()
    assert tool_paths.cache_of(replace(TOOL, cache="ONE-NPM"), None) is not None  # free again


class Groups(NoGroup):
    """A group with a memory limit that the kernel accepts or not."""

    def __init__(self, *, accepts: bool = True) -> None:
        super().__init__(frozenset({"memory"}), watched=False)
        self.memory = 0
        self.accepts = accepts

    def limit_memory(self, memory: int) -> bool:
        self.memory = memory
        return self.accepts


ASSIGNMENT = Assignment(cpus=0.5, memory=2**28, work_size=2**21)


async def test_an_assignment_sets_the_limits_and_starts_the_watch(folders: WorkFolders) -> None:
    sandbox = running(folders, replace(ORDER, idle=True))
    sandbox.group = group = Groups()
    sandbox.assign(ASSIGNMENT)
    assert (group.memory, sandbox._watcher) == (2**28, None)  # the kernel watches this group
    limits = replace(ORDER, cpus=0.5, memory=2**28, work_size=2**21)
    assert sandbox.order == limits
    with pytest.raises(SandboxStartFailed, match="has an attempt already"):
        sandbox.assign(ASSIGNMENT)
    await sandbox.close()


async def test_without_control_groups_the_watch_has_the_limit_of_the_assignment(
    folders: WorkFolders,
) -> None:
    sandbox = running(folders, replace(ORDER, idle=True, memory=1))
    sandbox.assign(replace(ASSIGNMENT, memory=2))
    assert await sandbox.wait() == ProcessExit(128 + 9, True)
    await sandbox.close()


async def test_a_limit_that_the_kernel_refuses_is_a_fault(folders: WorkFolders) -> None:
    sandbox = running(folders, replace(ORDER, idle=True))
    sandbox.group = Groups(accepts=False)
    with pytest.raises(SandboxStartFailed, match="memory limit cannot be set to 268435456"):
        sandbox.assign(ASSIGNMENT)
    assert sandbox.order.idle
    await sandbox.close()


async def test_an_idle_sandbox_that_ended_or_ran_out_of_memory_is_not_assigned(
    folders: WorkFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = running(folders, replace(ORDER, idle=True))
    sandbox.group = group = Groups()
    with monkeypatch.context() as patch, pytest.raises(SandboxStartFailed, match="ended while"):
        patch.setattr(Groups, "oom_kills", lambda self: 1)
        sandbox.assign(ASSIGNMENT)
    await sandbox.kill()
    with pytest.raises(SandboxStartFailed, match="ended while it was idle"):
        sandbox.assign(ASSIGNMENT)
    assert group.memory == 0
    await sandbox.close()


async def test_cpu_time_before_the_worker_is_not_counted(
    tmp_path: Path, folders: WorkFolders
) -> None:
    sandbox = running(folders, group=GroupV2(tmp_path, frozenset({"cpu"})))
    (tmp_path / "cpu.stat").write_text("usage_usec 30000\n")
    sandbox._cpu_before = sandbox.group.cpu_ms()
    (tmp_path / "cpu.stat").write_text("usage_usec 42000\n")
    assert (await sandbox.usage()).cpu_ms == 12
    sandbox.group = GROUPS.create("A", 1, 1)
    await sandbox.close()


async def test_files_hidden_at_every_check_count_as_too_large(
    tmp_path: Path, folders: WorkFolders
) -> None:
    group = GroupV2(tmp_path, frozenset({"memory"}))
    sandbox = running(folders, group=group)
    with descriptor_passer() as (passer, command):
        (tmp_path / "cgroup.procs").write_text(str(passer))
        command("send")
        sizes = [sandbox._work_bytes() for _ in range(HIDDEN_CHECKS - 1)]
        assert max(sizes) <= ORDER.work_size
        command("receive")
        assert sandbox._work_bytes() <= ORDER.work_size  # received, so not hidden
        command("send")
        sizes = [sandbox._work_bytes() for _ in range(HIDDEN_CHECKS)]
        assert sizes[-1] == ORDER.work_size + 1
    sandbox.group = GROUPS.create("A", 1, 1)
    await sandbox.close()


BROWSER = replace(ORDER, kind="browser", open_files=8192, cache="RUN-1")


async def test_the_cache_of_a_browser_is_saved_when_its_processes_have_ended(
    tmp_path: Path, folders: WorkFolders
) -> None:
    cache = tmp_path.joinpath("memory", *FOLDER)
    cache.mkdir(parents=True)
    (cache / "0123456789abcdef_0").write_bytes(entry(*PUBLIC, size=1000))
    caches = SavedCaches(folders.root)
    sandbox = running(folders, BROWSER)
    sandbox._saved_caches = caches
    sandbox._memory_folders = [os.open(tmp_path / "memory", os.O_PATH | os.O_DIRECTORY)]
    assert (sandbox._open_saved_cache(), sandbox.cached) == (None, 0)
    sandbox._saved_caches = SavedCaches(tmp_path / "gone")
    with pytest.raises(SandboxStartFailed, match="cannot be saved: "):
        await sandbox.save_cache(2000)
    sandbox._saved_caches = caches
    assert await sandbox.save_cache(2000) == 1000
    assert sandbox._exited.done()
    saved = sandbox._open_saved_cache()
    assert saved is not None
    assert sandbox.cached == 1000
    os.close(saved)
    await sandbox.close()
    with pytest.raises(SandboxStartFailed, match="is closed"):
        await sandbox.save_cache(2000)
    caches.close()


@pytest.mark.parametrize("order", [ORDER, replace(BROWSER, cache=""), TOOL], ids=str)
async def test_only_a_browser_with_a_cache_saves_it(
    folders: WorkFolders, order: LaunchOrder
) -> None:
    sandbox = running(folders, order)
    sandbox._saved_caches = SavedCaches(folders.root)
    with pytest.raises(SandboxStartFailed, match="only a browser with a cache"):
        await sandbox.save_cache(2000)
    assert not sandbox._exited.done()  # and it runs on
    assert sandbox._open_saved_cache() is None
    await sandbox.close()


# --- end


async def test_the_usage_is_available_after_the_end(folders: WorkFolders) -> None:
    gc.collect()  # of earlier tests
    before = len(os.listdir("/proc/self/fd"))
    sandbox = running(folders)
    (folders.root / "A" / "file").write_bytes(bytes(100_000))
    await asyncio.gather(sandbox.close(), sandbox.close())
    assert folders.names() == []
    assert (await sandbox.usage()).work_bytes >= 100_000
    assert await sandbox.wait() == ProcessExit(128 + 9, False)
    await sandbox.kill()
    await sandbox.terminate()
    await sandbox.close()
    assert sandbox._process.stdin is not None
    sandbox._process.stdin.close()
    assert len(os.listdir("/proc/self/fd")) == before


async def test_a_sandbox_that_cannot_be_measured_is_removed(
    folders: WorkFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(*_: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    sandbox = running(folders)
    sandbox._soft_cpu, sandbox._soft_peak = 7, 1000
    monkeypatch.setattr(WorkFolders, "measure", measure)
    await sandbox.close()
    assert (folders.names(), sandbox._process.returncode) == ([], -9)
    assert await sandbox.usage() == ProcessUsage(7, 1000)


async def test_a_close_that_failed_can_be_repeated(
    folders: WorkFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    sandbox = running(folders)
    with monkeypatch.context() as patch:
        patch.setattr(WorkFolders, "remove", remove)
        for result in await asyncio.gather(
            sandbox.close(), sandbox.close(), return_exceptions=True
        ):
            assert isinstance(result, OSError)
    assert folders.names() == ["A"]
    await sandbox.kill()
    await sandbox.close()
    assert folders.names() == []


@pytest.mark.parametrize("steps", [1, 2, 5, 20])
async def test_a_sandbox_is_removed_when_its_closing_is_cancelled(
    folders: WorkFolders, steps: int
) -> None:
    sandbox = running(folders)
    closing = asyncio.create_task(sandbox.close())
    for _ in range(steps):
        await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert folders.names() == []
    assert sandbox._process.returncode is not None


async def test_releasing_a_tool_ends_it_and_keeps_its_folder(folders: WorkFolders) -> None:
    sandbox = running(folders)
    assert await sandbox.release(None) == ""
    assert sandbox._process.poll() == -9
    assert folders.names() == ["A"]
    await sandbox.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
async def test_release_returns_why_the_owner_cannot_be_changed(folders: WorkFolders) -> None:
    sandbox = running(folders)
    folders.root.joinpath("A", *["d"] * 80).mkdir(parents=True)
    assert "nested folders" in await sandbox.release((31_000, 31_000))
    await sandbox.close()


async def test_a_group_is_removed_after_its_processes_have_ended(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    group = GroupV2(tmp_path / "A", frozenset())
    (group.path / "cgroup.procs").touch()
    removing = asyncio.create_task(remove_group(group))
    while not (group.path / "cgroup.kill").exists():  # the processes are killed first
        await asyncio.sleep(0)
    for file in group.path.iterdir():
        file.unlink()
    await removing
    assert not group.path.exists()


async def test_processes_that_do_not_leave_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cgroup.procs").write_text(f"{2**22 + 1} {2**22 + 2}")
    monkeypatch.setattr(sandbox_process, "END_SECONDS", 0)
    with pytest.raises(SandboxStartFailed, match=r"processes .*4194305, 4194306.* do not leave"):
        await remove_group(GroupV2(tmp_path, frozenset()))
