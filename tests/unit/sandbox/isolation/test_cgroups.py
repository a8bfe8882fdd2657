"""The choice of the kind of control groups."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from fyke.sandbox.isolation.cgroups import ABANDONED_SECONDS, NoGroups, abandoned_groups, detect
from unit.sandbox.isolation.test_cgroup_v1 import v1


def test_installations_do_not_share_a_group(tmp_path: Path) -> None:
    proc = v1(tmp_path)
    first, second = detect(tmp_path / "one", proc), detect(tmp_path / "two", proc)
    first.create("BOX", 2**26, 9)
    assert (first.names(), second.names()) == (["BOX"], [])


def test_empty_groups_of_other_installations_are_abandoned_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proc = v1(tmp_path)
    in_use, empty, recent = (detect(tmp_path / name, proc) for name in ("one", "two", "three"))
    in_use.create("BOX", 2**26, 9)
    for groups in (empty, recent):
        for base in set(groups._bases.values()):  # type: ignore[attr-defined]
            base.mkdir()
    assert abandoned_groups(proc) == []
    long_ago = time.time() - ABANDONED_SECONDS - 60
    bases = [*in_use._bases.values(), *empty._bases.values()]  # type: ignore[attr-defined]
    for base in bases:
        (base.parent / "fyke-not-ours").mkdir(exist_ok=True)
        for path in (base, base.parent / "fyke-not-ours"):
            os.utime(path, (long_ago, long_ago))
    found = abandoned_groups(proc)
    assert found == sorted(set(empty._bases.values()))  # type: ignore[attr-defined]
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert abandoned_groups(proc) == []  # another user's


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
    assert not group.limit_memory(1)
    assert not group.enter()
    group.leave()
    group.limit_cpu(1)
    group.kill()
    assert (group.enforced, group.processes(), group.oom_kills()) == (frozenset(), [], False)
    assert (group.cpu_ms(), group.memory_peak(), group.memory_now()) == (0, 0, 0)
    assert group.remove()
