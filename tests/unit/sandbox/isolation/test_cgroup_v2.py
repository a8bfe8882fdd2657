"""Control groups v2 over a tree of plain files that looks like the kernel's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fyke.sandbox.isolation import cgroup_v2
from fyke.sandbox.isolation.cgroup_v2 import OWN_LEAF, GroupV2
from fyke.sandbox.isolation.cgroups import ALL_LIMITS, detect


def v2(tmp_path: Path, own: str, controllers: str = "cpu io memory pids") -> tuple[Path, Path]:
    """A v2 tree with this process in ``own``: (the process's group, its /proc)."""
    tree = tmp_path / "cgroup"
    group = tree / own.strip("/")
    group.mkdir(parents=True)
    base = group.parent if group.name == OWN_LEAF else group
    (base / "cgroup.controllers").write_text(controllers)
    (base / "cgroup.procs").write_text("7\n8\n")
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "mountinfo").write_text(f"30 20 0:26 / {tree} rw,nosuid - cgroup2 cgroup2 rw\n")
    (proc / "cgroup").write_text(f"0::{own}\n")
    return base, proc


def test_v2_is_used_when_it_is_delegated(tmp_path: Path) -> None:
    base, proc = v2(tmp_path, "/system.slice/fyke.service")
    groups = detect(tmp_path / "work", proc)
    assert groups.kind == "v2"
    assert (base / OWN_LEAF / "cgroup.procs").read_text() == "8"  # each pid is written
    assert (base / "cgroup.subtree_control").read_text() == "+pids"
    group = groups.create("BOX", 64 * 2**20, 33)
    assert isinstance(group, GroupV2)
    assert group.enforced == ALL_LIMITS
    assert not group.watched
    assert groups.names() == ["BOX"]
    written = {
        name: (group.path / name).read_text()
        for name in ("memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.max")
    }
    assert written == {
        "memory.max": "67108864",
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": "34",
        "cpu.max": "max 100000",
    }
    assert group.limit_memory(2**28)
    assert (group.path / "memory.max").read_text() == "268435456"


def test_v2_finds_the_base_group_when_this_process_is_in_the_leaf(tmp_path: Path) -> None:
    base, proc = v2(tmp_path, f"/a/{OWN_LEAF}")
    assert detect(tmp_path, proc).kind == "v2"
    assert not (base / OWN_LEAF / OWN_LEAF).exists()


def test_v2_reports_usage_and_sets_limits(tmp_path: Path) -> None:
    _, proc = v2(tmp_path, "/a")
    group = detect(tmp_path, proc).create("BOX", 2**26, 9)
    assert isinstance(group, GroupV2)
    assert (group.cpu_ms(), group.memory_peak(), group.oom_kills()) == (0, 0, False)
    (group.path / "cpu.stat").write_text("usage_usec 1234567\nuser_usec 1\n")
    assert group.limited_ms() == 0  # without the controller
    (group.path / "cpu.stat").write_text("usage_usec 1234567\nnr_periods 90\nnr_throttled 7\n")
    assert group.limited_ms() == 700
    (group.path / "memory.current").write_text("1000\n")
    assert (group.cpu_ms(), group.memory_peak()) == (1234, 1000)
    (group.path / "memory.peak").write_text("5000\n")
    (group.path / "memory.events").write_text("low 0\noom 2\noom_kill 1\noom_group_kill 1\n")
    assert (group.memory_peak(), group.memory_now(), group.oom_kills()) == (5000, 1000, True)
    group.limit_cpu(0.125)
    assert (group.path / "cpu.max").read_text() == "12500 100000"
    assert (group.path / "cpu.weight").read_text() == "12"
    group.limit_cpu(0.001)
    assert (group.path / "cpu.max").read_text() == "1000 100000"
    assert (group.path / "cpu.weight").read_text() == "1"
    group.limit_cpu(None)
    assert (group.path / "cpu.max").read_text() == "max 100000"
    assert (group.path / "cpu.weight").read_text() == "100"
    group.kill()
    assert (group.path / "cgroup.kill").read_text() == "1"


def test_v2_without_the_controllers_is_reported(tmp_path: Path) -> None:
    _, proc = v2(tmp_path, "/user.slice", "memory pids")
    groups = detect(tmp_path, proc)
    assert groups.kind == "none"
    assert "cpu not delegated" in groups.reason


def test_v2_without_a_writable_group_is_reported(tmp_path: Path) -> None:
    base, proc = v2(tmp_path, "/user.slice")
    (base / "cgroup.procs").unlink()  # cannot be opened for writing, even by root
    groups = detect(tmp_path, proc)
    assert groups.kind == "none"
    assert "is not writable (systemd: Delegate=yes)" in groups.reason


def test_v2_that_cannot_be_delegated_is_reported(tmp_path: Path) -> None:
    base, proc = v2(tmp_path, "/user.slice")
    (base / "cgroup.subtree_control").mkdir()
    groups = detect(tmp_path, proc)
    assert groups.kind == "none"
    assert groups.reason == f"control groups v2: the controllers of {base} cannot be delegated"


def test_a_limit_that_the_kernel_refuses_is_not_enforced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, proc = v2(tmp_path, "/a")
    groups = detect(tmp_path, proc)
    monkeypatch.setattr(cgroup_v2, "write_file", lambda path, text: path.name != "memory.max")
    assert groups.create("BOX", 2**26, 9).enforced == {"cpu", "pids"}


def test_the_weight_of_many_cores_stays_within_the_limits_of_the_kernel(tmp_path: Path) -> None:
    group = GroupV2(tmp_path, ALL_LIMITS)
    group.limit_cpu(256)
    assert (tmp_path / "cpu.weight").read_text() == "10000"
    assert (tmp_path / "cpu.max").read_text() == "25600000 100000"


def test_without_cgroup_kill_each_process_is_killed(tmp_path: Path) -> None:
    (tmp_path / "cgroup.kill").mkdir()  # before Linux 5.14 it cannot be written
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as process:
        group = GroupV2(tmp_path, ALL_LIMITS)
        group.add(process.pid)
        group.kill()
        assert process.wait() == -9


def test_a_group_is_removed_once_it_is_empty(tmp_path: Path) -> None:
    (tmp_path / "BOX").mkdir()
    group = GroupV2(tmp_path / "BOX", ALL_LIMITS)
    (group.path / "cgroup.procs").touch()
    assert not group.remove()
    (group.path / "cgroup.procs").unlink()
    assert group.remove()
    assert group.remove()
