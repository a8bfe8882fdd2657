"""Settings of the kernel for a process, each tested in a separate process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

RENAMED = """
import json
from pathlib import Path
from fyke.kit.prctl import rename_process
rename_process({words})
command = Path("/proc/self/cmdline").read_bytes().rstrip(b"\\0").decode().split("\\0")
print(json.dumps([command, Path("/proc/self/comm").read_text().strip()]))
"""
ADOPTS = """
import os
from fyke.kit.prctl import adopt_orphans
adopt_orphans()
reading, writing = os.pipe()
if not os.fork():
    if not os.fork():
        os.close(writing)
        os.read(reading, 1)
        os._exit(7)
    os._exit(0)
os.wait()
os.close(writing)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def seen(code: str) -> Any:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize(("parent", "status"), [("os.getppid()", 0), ("1", 1)])
def test_a_child_knows_the_id_of_its_parent(parent: str, status: int) -> None:
    code = f"import os; from fyke.kit.prctl import end_with_parent as d; d({parent})"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert ended.returncode == status, ended.stderr


def test_a_process_shows_its_title() -> None:
    assert seen(RENAMED.format(words=["fyke", "serve", "server"])) == [
        ["fyke", "serve", "server"],
        "fyke-server",
    ]


def test_a_title_longer_than_the_arguments_is_cut() -> None:
    [[word], name] = seen(RENAMED.format(words='["x" * 10_000]'))
    assert set(word) == {"x"}
    assert 0 < len(word) < 10_000
    assert len(name) == 15


def test_an_orphan_is_adopted_with_its_exit_status() -> None:
    assert seen(ADOPTS) == 7
