"""Control groups over a tree of plain files that looks like the kernel's."""

from __future__ import annotations

from pathlib import Path

import pytest

from fyke.sandbox.isolation.cgroup_v1 import GroupV1
from fyke.sandbox.isolation.cgroup_v2 import OWN_LEAF, GroupV2
from fyke.sandbox.isolation.cgroups import ALL_LIMITS, NoGroups, detect


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


def test_v2_delegated(tmp_path: Path) -> None:
    base, proc = v2(tmp_path, "/system.slice/fyke.service")
    groups = detect(tmp_path / "work", proc)
    assert groups.kind == "v2"
    assert (base / OWN_LEAF / "cgroup.procs").read_text() == "8"  # each pid is written
    assert (base / "cgroup.subtree_control").read_text() == "+pids"
    group = groups.create("BOX", 64 * 2**20, 33)
    assert isinstance(group, GroupV2)
    assert group.enforced == ALL_LIMITS
    assert group.ends_as_one
    assert groups.names() == ["BOX"]
    written = {
        name: (group.path / name).read_text()
        for name in ("memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.max")
    }
    assert written == {
        "memory.max": "67108864",
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": "33",
        "cpu.max": "max 100000",
    }


def test_v2_when_this_process_is_in_the_leaf_already(tmp_path: Path) -> None:
    base, proc = v2(tmp_path, f"/a/{OWN_LEAF}")
    assert detect(tmp_path, proc).kind == "v2"
    assert not (base / OWN_LEAF / OWN_LEAF).exists()


def test_v2_figures(tmp_path: Path) -> None:
    _, proc = v2(tmp_path, "/a")
    group = detect(tmp_path, proc).create("BOX", 2**26, 9)
    assert isinstance(group, GroupV2)
    assert (group.cpu_ms(), group.memory_peak(), group.out_of_memory()) == (0, 0, False)
    (group.path / "cpu.stat").write_text("usage_usec 1234567\nuser_usec 1\n")
    (group.path / "memory.current").write_text("1000\n")
    assert (group.cpu_ms(), group.memory_peak()) == (1234, 1000)
    (group.path / "memory.peak").write_text("5000\n")
    (group.path / "memory.events").write_text("low 0\noom 2\noom_kill 1\noom_group_kill 1\n")
    assert (group.memory_peak(), group.memory_now(), group.out_of_memory()) == (5000, 1000, True)
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


def test_v2_without_the_controllers_says_so(tmp_path: Path) -> None:
    _, proc = v2(tmp_path, "/user.slice", "memory pids")
    groups = detect(tmp_path, proc)
    assert groups.kind == "none"
    assert "cpu not delegated" in groups.reason


def v1(tmp_path: Path, root: str = "/") -> Path:
    rows, places = [], []
    for number, controllers in enumerate(("cpu,cpuacct", "memory", "pids"), 30):
        mount = tmp_path / controllers.replace(",", "-")
        (mount / "own").mkdir(parents=True)
        rows.append(f"{number} 20 0:26 {root} {mount} rw - cgroup cgroup rw,{controllers}")
        places.append(f"{number}:{controllers}:{root.rstrip('/')}/own")
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "mountinfo").write_text("\n".join(rows) + "\n")
    (proc / "cgroup").write_text("\n".join(places) + "\n")
    return proc


@pytest.mark.parametrize("root", ["/", "/docker/abc"])
def test_v1_below_the_own_group_of_each_controller(tmp_path: Path, root: str) -> None:
    groups = detect(tmp_path / "work", v1(tmp_path, root))
    assert groups.kind == "v1"
    group = groups.create("BOX", 2**26, 12)
    assert isinstance(group, GroupV1)
    assert group.enforced == ALL_LIMITS
    assert not group.ends_as_one
    assert group.paths["memory"].parent.parent == tmp_path / "memory" / "own"
    assert group.paths["cpu"] == group.paths["cpuacct"]
    assert (group.paths["memory"] / "memory.limit_in_bytes").read_text() == "67108864"
    assert (group.paths["memory"] / "memory.memsw.limit_in_bytes").read_text() == "67108864"
    assert (group.paths["pids"] / "pids.max").read_text() == "12"
    group.limit_cpu(0.5)
    assert (group.paths["cpu"] / "cpu.cfs_quota_us").read_text() == "50000"
    assert (group.paths["cpu"] / "cpu.shares").read_text() == "512"
    group.limit_cpu(None)
    assert (group.paths["cpu"] / "cpu.cfs_quota_us").read_text() == "-1"
    assert (group.paths["cpu"] / "cpu.shares").read_text() == "1024"
    (group.paths["cpuacct"] / "cpuacct.usage").write_text("2500000000\n")
    (group.paths["memory"] / "memory.max_usage_in_bytes").write_text("99\n")
    (group.paths["memory"] / "memory.oom_control").write_text("under_oom 0\noom_kill 1\n")
    (group.paths["memory"] / "memory.usage_in_bytes").write_text("77\n")
    assert (group.cpu_ms(), group.memory_peak(), group.memory_now()) == (2500, 99, 77)
    assert group.out_of_memory()


def test_installations_do_not_share_a_group(tmp_path: Path) -> None:
    proc = v1(tmp_path)
    first, second = detect(tmp_path / "one", proc), detect(tmp_path / "two", proc)
    first.create("BOX", 2**26, 9)
    assert (first.names(), second.names()) == (["BOX"], [])


def test_no_groups_is_the_last_resort(tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "mountinfo").write_text("30 20 0:26 / / rw - ext4 /dev/x rw\n")
    (proc / "cgroup").write_text("")
    groups = detect(tmp_path, proc)
    assert isinstance(groups, NoGroups)
    assert groups.reason == "no control group file system is mounted"
    group = groups.create("BOX", 1, 1)
    group.add(1)
    group.limit_cpu(1)
    group.kill()
    assert (group.enforced, group.processes(), group.out_of_memory()) == (frozenset(), [], False)
    assert (group.cpu_ms(), group.memory_peak(), group.memory_now()) == (0, 0, 0)
    assert group.remove()
