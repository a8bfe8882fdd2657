"""Control groups v2: one tree, delegated to us by the service manager."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from fyke.sandbox.isolation.cgroup_files import (
    PERIOD_US,
    WANTED,
    ControlGroup,
    ControlGroups,
    field,
    get,
    kill_each,
    number,
    pids,
    put,
    quota,
    remove,
    subfolders,
)

OWN_LEAF = "fyke-platform"
WEIGHT = 100  # the default of the kernel, here the weight of one core
MAX_WEIGHT = 10_000


def detect_v2(own: Path, parent: str, reasons: list[str]) -> ControlGroups | None:
    base = own.parent if own.name == OWN_LEAF else own
    offered = set(get(base / "cgroup.controllers").split())
    if not set(WANTED) <= offered:
        missing = ", ".join(sorted(set(WANTED) - offered))
        reasons.append(f"control groups v2: {missing} not delegated to {base}")
        return None
    if not os.access(base / "cgroup.procs", os.W_OK) or not os.access(base, os.W_OK):
        reasons.append(f"control groups v2: {base} is not writable (systemd: Delegate=yes)")
        return None
    groups = GroupsV2(base / parent)
    with contextlib.suppress(OSError):
        _clear_inner(base)
        if _delegate(base) and groups.prepare():
            groups.close()  # made again for the first sandbox
            return groups
    reasons.append(f"control groups v2: the controllers of {base} cannot be delegated")
    return None


def _clear_inner(base: Path) -> None:
    """A group with delegated controllers may contain no process itself: ours move to a leaf."""
    leaf = base / OWN_LEAF
    leaf.mkdir(exist_ok=True)
    for pid in pids(base):
        put(leaf / "cgroup.procs", str(pid))


def _delegate(group: Path) -> bool:
    return all(put(group / "cgroup.subtree_control", f"+{name}") for name in WANTED)


class GroupsV2:
    kind = "v2"
    reason = ""

    def __init__(self, base: Path) -> None:
        self._base = base

    def prepare(self) -> bool:
        """Make the group of all sandboxes and delegate its controllers."""
        self._base.mkdir(exist_ok=True)
        return _delegate(self._base)

    def create(self, name: str, memory: int, processes: int) -> ControlGroup:
        self.prepare()
        path = self._base / name
        path.mkdir()
        put(path / "memory.swap.max", "0")
        put(path / "memory.oom.group", "1")
        took = {
            "cpu": put(path / "cpu.max", f"max {PERIOD_US}"),
            "memory": put(path / "memory.max", str(memory)),
            "pids": put(path / "pids.max", str(processes)),
        }
        return GroupV2(path, frozenset(name for name, ok in took.items() if ok))

    def find(self, name: str) -> ControlGroup:
        return GroupV2(self._base / name, frozenset())

    def names(self) -> list[str]:
        return sorted(subfolders(self._base))

    def close(self) -> None:
        remove(self._base)


@dataclass(slots=True)
class GroupV2:
    path: Path
    enforced: frozenset[str]
    ends_as_one: bool = True

    def add(self, pid: int) -> None:
        (self.path / "cgroup.procs").write_text(str(pid))

    def limit_cpu(self, cpus: float | None) -> None:
        most = "max" if cpus is None else str(quota(cpus))
        put(self.path / "cpu.max", f"{most} {PERIOD_US}")
        share = 1 if cpus is None else cpus
        put(self.path / "cpu.weight", str(min(MAX_WEIGHT, max(1, int(WEIGHT * share)))))

    def out_of_memory(self) -> bool:
        return field(get(self.path / "memory.events"), "oom_kill") > 0

    def cpu_ms(self) -> int:
        return field(get(self.path / "cpu.stat"), "usage_usec") // 1000

    def memory_peak(self) -> int:
        # the peak is kept since Linux 5.19; before, the present use is the best there is
        return number(get(self.path / "memory.peak") or get(self.path / "memory.current"))

    def memory_now(self) -> int:
        return number(get(self.path / "memory.current"))

    def processes(self) -> list[int]:
        return pids(self.path)

    def kill(self) -> None:
        if not put(self.path / "cgroup.kill", "1"):
            kill_each(self.processes())

    def remove(self) -> bool:
        return remove(self.path)
