"""Looking at processes through /proc."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fyke.sandbox import processes


def test_parent() -> None:
    assert processes.parent(os.getpid()) == os.getppid()
    with pytest.raises(ProcessLookupError):
        processes.parent(2**22 + 1)


def test_a_tree_counts_its_descendants() -> None:
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
        used = processes.tree_usage(tree.pid)
        assert 30 * 2**20 < used.memory < 200 * 2**20
        assert used.cpu_ms >= 0
        tree.stdin.close()
    assert processes.tree_usage(tree.pid) == processes.TreeUsage(0, 0)


def test_no_box_no_process() -> None:
    assert processes.with_work_folders(frozenset({"NONE"})) == {}
