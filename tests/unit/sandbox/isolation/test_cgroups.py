"""The choice of the kind of control groups."""

from __future__ import annotations

from pathlib import Path

from fyke.sandbox.isolation.cgroups import NoGroups, detect
from unit.sandbox.isolation.test_cgroup_v1 import v1


def test_installations_do_not_share_a_group(tmp_path: Path) -> None:
    proc = v1(tmp_path)
    first, second = detect(tmp_path / "one", proc), detect(tmp_path / "two", proc)
    first.create("BOX", 2**26, 9)
    assert (first.names(), second.names()) == (["BOX"], [])


def test_without_a_cgroup_file_system_nothing_is_limited(tmp_path: Path) -> None:
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
