"""Control groups v1 over a tree of plain files that looks like the kernel's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fyke.sandbox.isolation import cgroup_v1
from fyke.sandbox.isolation.cgroup_v1 import GroupV1, detect_v1
from fyke.sandbox.isolation.cgroups import ALL_LIMITS, detect


def v1(tmp_path: Path, root: str = "/") -> Path:
    mounts, groups = [], []
    for number, controllers in enumerate(("cpu,cpuacct", "memory", "pids"), 30):
        mount = tmp_path / controllers.replace(",", "-")
        (mount / "own").mkdir(parents=True)
        mounts.append(f"{number} 20 0:26 {root} {mount} rw - cgroup cgroup rw,{controllers}")
        groups.append(f"{number}:{controllers}:{root.rstrip('/')}/own")
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "mountinfo").write_text("\n".join(mounts) + "\n")
    (proc / "cgroup").write_text("\n".join(groups) + "\n")
    return proc


@pytest.mark.parametrize("root", ["/", "/docker/abc"])
def test_a_group_is_created_below_the_group_of_this_process(tmp_path: Path, root: str) -> None:
    groups = detect(tmp_path / "work", v1(tmp_path, root))
    assert groups.kind == "v1"
    group = groups.create("BOX", 2**26, 12)
    assert isinstance(group, GroupV1)
    assert group.enforced == ALL_LIMITS
    assert group.watched
    assert group.paths["memory"].parent.parent == tmp_path / "memory" / "own"
    assert group.paths["cpu"] == group.paths["cpuacct"]
    assert (group.paths["memory"] / "memory.limit_in_bytes").read_text() == "67108864"
    assert (group.paths["memory"] / "memory.memsw.limit_in_bytes").read_text() == "67108864"
    assert (group.paths["pids"] / "pids.max").read_text() == "14"
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
    (group.paths["cpu"] / "cpu.stat").write_text("nr_periods 9\nnr_throttled 3\n")
    assert group.limited_ms() == 300
    assert group.oom_kills()


def test_a_small_share_of_a_core_is_raised_to_what_the_kernel_accepts(tmp_path: Path) -> None:
    group = detect(tmp_path / "work", v1(tmp_path)).create("BOX", 2**26, 12)
    assert isinstance(group, GroupV1)
    group.limit_cpu(0.001)
    assert (group.paths["cpu"] / "cpu.cfs_quota_us").read_text() == "1000"
    assert (group.paths["cpu"] / "cpu.shares").read_text() == "2"


def test_the_memory_limit_is_replaced_in_an_order_that_the_kernel_accepts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit without swap may never exceed the one with swap."""
    group = detect(tmp_path / "work", v1(tmp_path)).create("BOX", 2**26, 12)
    assert isinstance(group, GroupV1)
    folder = group.paths["memory"]

    def write(path: Path, text: str) -> bool:
        plain, swap = (
            int(text) if path.name == name else int((folder / name).read_text())
            for name in ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
        )
        return plain <= swap and bool(path.write_text(text))

    monkeypatch.setattr(cgroup_v1, "write_file", write)
    for memory in (2**28, 2**25):
        assert group.limit_memory(memory)
        limits = [(folder / f"memory{part}.limit_in_bytes").read_text() for part in ("", ".memsw")]
        assert limits == [str(memory)] * 2


def test_detection_leaves_no_folder_behind(tmp_path: Path) -> None:
    groups = detect(tmp_path / "work", v1(tmp_path))
    folders = [path for path in tmp_path.rglob("fyke-*") if path.is_dir()]
    assert (groups.kind, groups.names(), folders) == ("v1", [], [])


def test_a_tree_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "memory").touch()
    reasons: list[str] = []
    assert detect_v1({"memory": tmp_path / "memory"}, "fyke-1", reasons) is None
    assert reasons == [
        f"control groups v1: {tmp_path}/memory/fyke-1 cannot be created (Not a directory)"
    ]


def test_a_limit_that_the_kernel_refuses_is_not_enforced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = detect(tmp_path / "work", v1(tmp_path))
    monkeypatch.setattr(cgroup_v1, "write_file", lambda path, text: path.name != "pids.max")
    assert groups.create("BOX", 2**26, 12).enforced == {"cpu", "memory"}


def test_a_process_is_added_to_every_tree(tmp_path: Path) -> None:
    group = detect(tmp_path / "work", v1(tmp_path)).create("BOX", 2**26, 12)
    assert isinstance(group, GroupV1)
    group.add(os.getpid())
    for controller in ("cpu", "memory", "pids"):
        members = (group.paths[controller] / "cgroup.procs").read_text()
        assert members == str(os.getpid()), controller
    assert group.processes() == [os.getpid()]


def with_tasks(group: GroupV1) -> list[Path]:
    """The file of each group, then of its home, to which a thread writes to move there."""
    groups = [*dict.fromkeys(group.paths.values())]
    files = [folder / "tasks" for folder in (*groups, *(path.parent.parent for path in groups))]
    for file in files:
        file.touch()
    return files


def test_a_thread_enters_every_tree_and_leaves_it(tmp_path: Path) -> None:
    group = detect(tmp_path / "work", v1(tmp_path)).create("BOX", 2**26, 12)
    assert isinstance(group, GroupV1)
    files = with_tasks(group)
    assert group.enter()
    assert [file.read_text() for file in files] == ["0"] * 3 + [""] * 3
    group.leave()
    assert [file.read_text() for file in files] == ["0"] * 6


def test_a_thread_does_not_enter_a_group_that_it_could_not_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = detect(tmp_path / "work", v1(tmp_path)).create("BOX", 2**26, 12)
    assert isinstance(group, GroupV1)
    files = with_tasks(group)
    monkeypatch.setattr(cgroup_v1.os, "access", lambda path, mode: path != files[-1])
    assert not group.enter()
    assert [file.read_text() for file in files] == [""] * 6


def test_a_thread_that_cannot_enter_every_tree_leaves_the_others(tmp_path: Path) -> None:
    group = detect(tmp_path / "work", v1(tmp_path)).create("BOX", 2**26, 12)
    assert isinstance(group, GroupV1)
    files = with_tasks(group)
    files[2].unlink()
    files[2].mkdir()  # cannot be written
    assert not group.enter()
    assert [file.read_text() for file in files[3:]] == ["0"] * 3


def test_a_group_is_removed_only_when_every_tree_is_empty(tmp_path: Path) -> None:
    groups = detect(tmp_path / "work", v1(tmp_path))
    group = groups.create("BOX", 2**26, 12)
    assert isinstance(group, GroupV1)
    assert not group.remove()  # a full folder stands for a group with processes
    for path in set(group.paths.values()):
        for file in path.iterdir():
            file.unlink()
    assert group.remove()
    assert groups.names() == []
    assert group.remove()  # a group that is already gone counts as removed
    groups.close()
    assert not list(tmp_path.rglob("fyke-*"))


def test_a_group_without_accounting_reports_no_cpu_time(tmp_path: Path) -> None:
    assert GroupV1({"cpu": tmp_path}, frozenset()).cpu_ms() == 0
