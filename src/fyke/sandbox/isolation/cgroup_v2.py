"""Control groups v2: one tree, delegated to us by the service manager."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from fyke.sandbox.isolation.cgroup_files import (
    CONTROLLERS,
    PERIOD_US,
    ControlGroup,
    ControlGroups,
    field_value,
    kill_each,
    parse_number,
    pids,
    quota,
    read_file,
    remove,
    subfolders,
    write_file,
)

OWN_PROCESSES = 1  # process 1 of the namespace counts towards the limit
OWN_LEAF = "fyke-platform"
WEIGHT = 100  # the default of the kernel, here the weight of one core
MAX_WEIGHT = 10_000


def detect_v2(cgroup: Path, parent: str, reasons: list[str]) -> ControlGroups | None:
    base = cgroup.parent if cgroup.name == OWN_LEAF else cgroup
    available = set(read_file(base / "cgroup.controllers").split())
    if not set(CONTROLLERS) <= available:
        missing = ", ".join(sorted(set(CONTROLLERS) - available))
        reasons.append(f"control groups v2: {missing} not delegated to {base}")
        return None
    if not os.access(base / "cgroup.procs", os.W_OK) or not os.access(base, os.W_OK):
        reasons.append(f"control groups v2: {base} is not writable (systemd: Delegate=yes)")
        return None
    groups = GroupsV2(base / parent)
    with contextlib.suppress(OSError):
        _move_to_leaf(base)
        if _delegate(base) and groups.prepare():
            groups.close()  # the first sandbox creates it again
            return groups
    reasons.append(f"control groups v2: the controllers of {base} cannot be delegated")
    return None


def _move_to_leaf(base: Path) -> None:
    """Move our processes to a leaf: a group with delegated controllers may contain none."""
    leaf = base / OWN_LEAF
    leaf.mkdir(exist_ok=True)
    for pid in pids(base):
        write_file(leaf / "cgroup.procs", str(pid))


def _delegate(group: Path) -> bool:
    return all(write_file(group / "cgroup.subtree_control", f"+{name}") for name in CONTROLLERS)


class GroupsV2:
    kind = "v2"
    reason = ""

    def __init__(self, base: Path) -> None:
        self._base = base

    def prepare(self) -> bool:
        """Create the group of all sandboxes and delegate its controllers."""
        self._base.mkdir(exist_ok=True)
        return _delegate(self._base)

    def create(
        self, name: str, memory: int, processes: int, *, kills_all: bool = True
    ) -> ControlGroup:
        self.prepare()
        path = self._base / name
        path.mkdir()
        write_file(path / "memory.swap.max", "0")
        write_file(path / "memory.oom.group", "1" if kills_all else "0")
        applied = {
            "cpu": write_file(path / "cpu.max", f"max {PERIOD_US}"),
            "memory": write_file(path / "memory.max", str(memory)),
            "pids": write_file(path / "pids.max", str(processes + OWN_PROCESSES)),
        }
        return GroupV2(path, frozenset(name for name, ok in applied.items() if ok))

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
    watched: bool = False

    def enter(self) -> bool:
        return False  # threads of one process must be in one group

    def leave(self) -> None:
        return None

    def add(self, pid: int) -> None:
        (self.path / "cgroup.procs").write_text(str(pid))

    def limit_cpu(self, cpus: float | None) -> None:
        limit = "max" if cpus is None else str(quota(cpus))
        write_file(self.path / "cpu.max", f"{limit} {PERIOD_US}")
        share = 1 if cpus is None else cpus
        write_file(self.path / "cpu.weight", str(min(MAX_WEIGHT, max(1, int(WEIGHT * share)))))

    def limit_memory(self, memory: int) -> bool:
        return write_file(self.path / "memory.max", str(memory))

    def oom_kills(self) -> int:
        return field_value(read_file(self.path / "memory.events"), "oom_kill")

    def cpu_ms(self) -> int:
        return field_value(read_file(self.path / "cpu.stat"), "usage_usec") // 1000

    def limited_ms(self) -> int:
        return field_value(read_file(self.path / "cpu.stat"), "nr_throttled") * PERIOD_US // 1000

    def memory_peak(self) -> int:
        # before Linux 5.19 there is no peak, only the current usage
        return parse_number(
            read_file(self.path / "memory.peak") or read_file(self.path / "memory.current")
        )

    def memory_now(self) -> int:
        return parse_number(read_file(self.path / "memory.current"))

    def processes(self) -> list[int]:
        return pids(self.path)

    def kill(self) -> None:
        if not write_file(self.path / "cgroup.kill", "1"):
            kill_each(self.processes())

    def remove(self) -> bool:
        return remove(self.path)
