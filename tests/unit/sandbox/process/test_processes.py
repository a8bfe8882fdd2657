"""Reading processes from /proc."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fyke.sandbox.process import processes


def test_the_parent_of_a_process_is_found() -> None:
    assert processes.parent(os.getpid()) == os.getppid()
    with pytest.raises(ProcessLookupError):
        processes.parent(2**22 + 1)


def test_the_usage_of_a_tree_includes_its_descendants() -> None:
    code = (
        "import subprocess,sys\n"
        "c='block=bytearray(30<<20);import sys;print(1,flush=True);sys.stdin.read()'\n"
        "p=subprocess.Popen([sys.executable,'-c',c]);p.wait()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as tree:
        assert tree.stdout is not None
        assert tree.stdin is not None
        assert tree.stdout.readline() == b"1\n"
        usage = processes.tree_usage(tree.pid)
        assert 30 * 2**20 < usage.memory < 200 * 2**20
        assert usage.cpu_ms >= 0
        tree.stdin.close()
    assert processes.tree_usage(tree.pid) == processes.TreeUsage(0, 0, ())


def test_files_without_a_name_are_found(tmp_path: Path) -> None:
    device = tmp_path.stat().st_dev
    before = processes.unnamed_memory([os.getpid()], device, 2**30).size
    with (tmp_path / "gone").open("wb") as file, (tmp_path / "named").open("wb") as other:
        for item in (file, other):
            item.write(bytes(100_000))
            item.flush()
            os.fsync(item.fileno())
        (tmp_path / "gone").unlink()
        duplicate = os.dup(file.fileno())
        size = processes.unnamed_memory([os.getpid()], device, 2**30).size
        os.close(duplicate)
        assert 100_000 <= size - before < 150_000
        assert processes.unnamed_memory([os.getpid()], device + 1, 2**30).size == 0
    assert processes.unnamed_memory([os.getpid(), 2**22 + 1], device, 2**30).size == before


def test_too_many_descriptors_count_as_too_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert processes.unnamed_memory([os.getpid()], 0, 2**30).size == 0
    monkeypatch.setattr(processes, "MAX_OPEN", 3)
    assert processes.unnamed_memory([os.getpid()], 0, 2**30).size > 2**30


def test_descriptors_queued_in_sockets_are_counted() -> None:
    left, right = socket.socketpair()
    with left, right:
        before = processes.unnamed_memory([os.getpid()], 0, 2**30).in_flight
        for _ in range(3):
            socket.send_fds(left, [b"x"], [0, 0])
        assert processes.unnamed_memory([os.getpid()], 0, 2**30).in_flight == before + 6
        for _ in range(3):
            for number in socket.recv_fds(right, 1, 8)[1]:
                os.close(number)
        assert processes.unnamed_memory([os.getpid()], 0, 2**30).in_flight == before


def test_without_a_sandbox_there_is_no_process() -> None:
    assert processes.with_work_folders(frozenset({"NONE"})) == {}


@pytest.fixture
def one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """There is one process, which has a folder with the last name A at /work; return it."""
    process = tmp_path / "proc" / "7"
    (process / "root" / "work").mkdir(parents=True)
    line = "36 35 8:1 /srv/home/work/A /work rw - ext4 /dev/sda1 rw"
    (process / "mountinfo").write_text(line + "\n")
    monkeypatch.setattr(processes, "PROC", tmp_path / "proc")
    return process / "root" / "work"


def test_a_copy_of_a_work_folder_is_another_folder(one_process: Path, tmp_path: Path) -> None:
    names = frozenset({"A"})
    info, copy = one_process.stat(), tmp_path.stat()
    assert processes.with_work_folders(names) == {"A": [7]}
    assert processes.with_work_folders(names, {"A": (info.st_dev, info.st_ino)}) == {"A": [7]}
    assert processes.with_work_folders(names, {"A": (copy.st_dev, copy.st_ino)}) == {}
    assert processes.with_work_folders(names, {}) == {}
    one_process.rmdir()  # as when the process has just ended
    assert processes.with_work_folders(names, {"A": (info.st_dev, info.st_ino)}) == {}


def test_a_process_whose_folder_may_not_be_looked_at_is_not_left_out(
    one_process: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container, where root may lack the right to."""

    def refuse(path: Path) -> os.stat_result:
        raise PermissionError(path)

    monkeypatch.setattr(Path, "lstat", refuse)
    assert processes.with_work_folders(frozenset({"A"}), {"A": (0, 0)}) == {"A": [7]}
